"""The requirements of a policy, read as strictly as containers/image reads them.

Source: containers-policy.json(5), "Policy Requirements"; containers/image,
``signature/policy_config.go`` and ``policy_config_sigstore.go``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from regctl.manifest.document import Value, shown
from regctl.signature.cosign_json import StrictJSONError, exact_members, known_members, members
from regctl.signature.cosign_json import text as string
from regctl.signature.policy_identity import (
    MatchRepoDigestOrExact,
    SignedIdentity,
    parse_identity,
)

_GPG_KEY_TYPES = frozenset({"GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"})
_KEYS = ("keyPath", "keyPaths", "keyData", "keyDatas")
_REKOR = tuple(f"rekorPublic{name[0].upper()}{name[1:]}" for name in _KEYS)


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a policy has a key from: a file's ``path``, or ``data`` in the policy itself."""

    path: str | None = None
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class AcceptAnything:
    """``insecureAcceptAnything``."""


@dataclass(frozen=True, slots=True)
class Reject:
    """``reject``."""


@dataclass(frozen=True, slots=True)
class SigstoreSigned:
    """``sigstoreSigned`` by one of some keys."""

    keys: tuple[KeySource, ...]
    identity: SignedIdentity


@dataclass(frozen=True, slots=True)
class NotCheckable:
    """A requirement that clients check and this program cannot; ``what`` says which."""

    what: str


Requirement: TypeAlias = AcceptAnything | Reject | SigstoreSigned | NotCheckable


def parse_requirements(value: Value, where: str) -> tuple[Requirement, ...]:
    """The list of requirements that ``value`` is, not empty. Raises `StrictJSONError`."""
    if value is None or value == []:
        raise StrictJSONError(f"{where} has no requirements: the list must not be empty")
    if not isinstance(value, list):
        raise StrictJSONError(f"{where} is {shown(value)}, not a list")
    return tuple(_requirement(each, f"{where}[{index}]") for index, each in enumerate(value))


def _requirement(value: Value, where: str) -> Requirement:
    kind = string(members(value, where).get("type"), f"{where}.type")
    parse = _PARSERS.get(kind)
    if parse is None:
        raise StrictJSONError(f"{where} has the unknown type {shown(kind)}")
    return parse(value, where)


def _accept_anything(value: Value, where: str) -> Requirement:
    exact_members(value, where, ("type",))
    return AcceptAnything()


def _reject(value: Value, where: str) -> Requirement:
    exact_members(value, where, ("type",))
    return Reject()


def _signed_base_layer(value: Value, where: str) -> Requirement:
    found = exact_members(value, where, ("type", "baseLayerIdentity"))
    parse_identity(found["baseLayerIdentity"], f"{where}.baseLayerIdentity")
    return NotCheckable("signedBaseLayer")


def _signed_by(value: Value, where: str) -> Requirement:
    known = ("type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity")
    found = known_members(value, where, known)
    if string(found.get("keyType"), f"{where}.keyType") not in _GPG_KEY_TYPES:
        raise StrictJSONError(f"{where}.keyType: {shown(found.get('keyType'))} is not known")
    _identity(found, where)
    sources = [name for name in _KEYS[:3] if name in found]
    if len(sources) != 1 or not _sources(found, sources[0], where):
        raise StrictJSONError(f"{where} must have one of keyPath, keyPaths and keyData")
    return NotCheckable("signedBy (GPG)")


def _sigstore_signed(value: Value, where: str) -> Requirement:
    known = ("type", *_KEYS, "fulcio", "pki", *_REKOR, "signedIdentity")
    found = known_members(value, where, known)
    identity = _identity(found, where)
    keys = {name: _sources(found, name, where) for name in _KEYS if name in found}
    rekor = {name: _sources(found, name, where) for name in _REKOR if name in found}
    others = [name for name in ("fulcio", "pki") if name in found]
    given = [name for name, sources in keys.items() if sources] + others
    if len(given) != 1:
        names = ", ".join((*_KEYS, "fulcio", "pki"))
        raise StrictJSONError(f"{where} must have one of {names}, and has {len(given)}")
    logs = [name for name, sources in rekor.items() if sources]
    if len(logs) > 1:
        raise StrictJSONError(f"{where} may have one of {', '.join(_REKOR)}, and has {len(logs)}")
    if "fulcio" in found:
        _check_fulcio(found["fulcio"], f"{where}.fulcio")
        if not logs:
            raise StrictJSONError(f"{where} has fulcio without a key of Rekor")
        return NotCheckable("sigstoreSigned by fulcio")
    if "pki" in found:
        _check_pki(found["pki"], f"{where}.pki")
        return NotCheckable("sigstoreSigned by pki")
    if logs:
        return NotCheckable("sigstoreSigned with a key of Rekor")
    return SigstoreSigned(keys[given[0]], identity)


_PARSERS: dict[str, Callable[[Value, str], Requirement]] = {
    "insecureAcceptAnything": _accept_anything,
    "reject": _reject,
    "signedBy": _signed_by,
    "signedBaseLayer": _signed_base_layer,
    "sigstoreSigned": _sigstore_signed,
}


def _identity(found: dict[str, Value], where: str) -> SignedIdentity:
    if "signedIdentity" not in found:
        return MatchRepoDigestOrExact()
    return parse_identity(found["signedIdentity"], f"{where}.signedIdentity")


def _sources(found: dict[str, Value], name: str, where: str) -> tuple[KeySource, ...]:
    """The keys of one member; none where it is an empty path or null, which is no source."""
    value, place = found[name], f"{where}.{name}"
    if value is None and not name.endswith("s"):
        return ()
    if name.endswith("s"):
        if not isinstance(value, list) or not value:
            raise StrictJSONError(f"{place} is {shown(value)}, not a list with entries")
        values = [(each, f"{place}[{index}]") for index, each in enumerate(value)]
    else:
        values = [(value, place)]
    if "Data" in name:
        return tuple(KeySource(data=_data(*each)) for each in values)
    paths = tuple(string(*each) for each in values)
    return tuple(KeySource(path=path) for path in paths if path or name.endswith("s"))


def _data(value: Value, where: str) -> bytes:
    if not isinstance(value, str):
        raise StrictJSONError(f"{where} is {shown(value)}, not base64")
    try:
        return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise StrictJSONError(f"{where} is not base64") from error


def _check_fulcio(value: Value, where: str) -> None:
    found = known_members(value, where, ("caPath", "caData", "oidcIssuer", "subjectEmail"))
    _one_source(found, "caPath", "caData", where)
    for name in ("oidcIssuer", "subjectEmail"):
        if not string(found.get(name), f"{where}.{name}"):
            raise StrictJSONError(f"{where} lacks the member {name!r}")


def _check_pki(value: Value, where: str) -> None:
    roots = ("caRootsPath", "caRootsData")
    more = ("caIntermediatesPath", "caIntermediatesData")
    names = ("subjectEmail", "subjectHostname")
    found = known_members(value, where, (*roots, *more, *names))
    _one_source(found, *roots, where)
    if len([name for name in more if name in found and _sources(found, name, where)]) > 1:
        raise StrictJSONError(f"{where} may have one of {' and '.join(more)}")
    if not any(string(found.get(name), f"{where}.{name}") for name in names):
        raise StrictJSONError(f"{where} must have subjectEmail or subjectHostname")


def _one_source(found: dict[str, Value], path: str, data: str, where: str) -> None:
    given = [name for name in (path, data) if name in found and _sources(found, name, where)]
    if len(given) != 1:
        raise StrictJSONError(f"{where} must have one of {path} and {data}")
