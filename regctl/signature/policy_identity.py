"""Which docker-reference a signature may hold for an image that is asked for under some reference.

Source: containers-policy.json(5), "signedIdentity"; containers/image,
``signature/policy_reference_match.go``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from regctl.errors import InvalidNameError
from regctl.layout import RepositoryName, Tag
from regctl.manifest.document import Value, shown
from regctl.signature.cosign_json import StrictJSONError, exact_members, members, text
from regctl.signature.policy_reference import DockerReference, is_domain, is_full_name


class SignedIdentity(Protocol):
    """One way to compare the reference that was signed with the one that is asked for."""

    def matches(self, intended: DockerReference, signed: DockerReference) -> bool: ...


@dataclass(frozen=True, slots=True)
class MatchExact:
    """The same reference; both say a tag or digest."""

    def matches(self, intended: DockerReference, signed: DockerReference) -> bool:
        return _same_reference(intended, signed)


@dataclass(frozen=True, slots=True)
class MatchRepoDigestOrExact:
    """Asked for by tag, the same reference; asked for by digest, the same repository."""

    def matches(self, intended: DockerReference, signed: DockerReference) -> bool:
        if signed.is_name_only:
            return False
        if intended.tag:
            return str(signed) == str(intended)
        return bool(intended.digest) and signed.name == intended.name


@dataclass(frozen=True, slots=True)
class MatchRepository:
    """The same repository, whatever the tag."""

    def matches(self, intended: DockerReference, signed: DockerReference) -> bool:
        return signed.name == intended.name


@dataclass(frozen=True, slots=True)
class ExactReference:
    """One ``reference``, whatever is asked for."""

    reference: DockerReference

    def matches(self, intended: DockerReference, signed: DockerReference) -> bool:  # noqa: ARG002
        return _same_reference(self.reference, signed)


@dataclass(frozen=True, slots=True)
class ExactRepository:
    """The repository of ``reference``, whatever is asked for."""

    reference: DockerReference

    def matches(self, intended: DockerReference, signed: DockerReference) -> bool:  # noqa: ARG002
        return signed.name == self.reference.name


@dataclass(frozen=True, slots=True)
class RemapIdentity:
    """As `MatchRepoDigestOrExact`, with ``prefix`` of what is asked for made ``signed_prefix``."""

    prefix: str
    signed_prefix: str

    def matches(self, intended: DockerReference, signed: DockerReference) -> bool:
        if intended.name == self.prefix or intended.name.startswith(f"{self.prefix}/"):
            mapped = self.signed_prefix + str(intended)[len(self.prefix) :]
            try:
                intended = DockerReference.parse(mapped)
            except InvalidNameError:
                return False
            if str(intended) != mapped:
                return False
        return MatchRepoDigestOrExact().matches(intended, signed)


def refusal(identity: SignedIdentity, intended: DockerReference, written: str) -> str:
    """Why a signature with the docker-reference ``written`` does not fit; empty if it does."""
    try:
        if identity.matches(intended, DockerReference.parse(written)):
            return ""
    except InvalidNameError:
        return f"the reference that was signed, {shown(written)}, is none"
    return f"it was signed as {shown(written)}, which is not accepted for {intended}"


def stored_refusal(repository: RepositoryName, tag: Tag | None, written: str) -> str:
    """Why a signature with the docker-reference ``written`` does not fit an image of this storage.

    For callers who cannot say under which host clients know it: repository and, where both sides
    have one, tag are compared. Empty if they fit.
    """
    try:
        signed = DockerReference.parse(written)
    except InvalidNameError:
        return f"the reference that was signed, {shown(written)}, is none"
    if signed.name.partition("/")[2] != str(repository):
        return f"it was signed as {shown(written)}, which is another repository than {repository}"
    if tag is not None and signed.tag and signed.tag != str(tag):
        return f"it was signed as {shown(written)}, which has another tag than {tag}"
    return ""


def parse_identity(value: Value, where: str) -> SignedIdentity:
    """The ``signedIdentity`` that ``value`` is. Raises `StrictJSONError`."""
    kind = text(members(value, where).get("type"), f"{where}.type")
    simple = _SIMPLE.get(kind)
    if simple is not None:
        exact_members(value, where, ("type",))
        return simple
    if kind == "exactReference":
        found = exact_members(value, where, ("type", "dockerReference"))
        reference = _reference(found["dockerReference"], f"{where}.dockerReference")
        if reference.is_name_only:
            raise StrictJSONError(f"{where}.dockerReference has neither a tag nor a digest")
        return ExactReference(reference)
    if kind == "exactRepository":
        found = exact_members(value, where, ("type", "dockerRepository"))
        return ExactRepository(_reference(found["dockerRepository"], f"{where}.dockerRepository"))
    if kind == "remapIdentity":
        found = exact_members(value, where, ("type", "prefix", "signedPrefix"))
        return RemapIdentity(
            _prefix(found["prefix"], f"{where}.prefix"),
            _prefix(found["signedPrefix"], f"{where}.signedPrefix"),
        )
    raise StrictJSONError(f"{where} has the unknown type {shown(kind)}")


_SIMPLE: dict[str, SignedIdentity] = {
    "matchExact": MatchExact(),
    "matchRepoDigestOrExact": MatchRepoDigestOrExact(),
    "matchRepository": MatchRepository(),
}


def _same_reference(intended: DockerReference, signed: DockerReference) -> bool:
    if intended.is_name_only or signed.is_name_only:
        return False
    return str(signed) == str(intended)


def _reference(value: Value, where: str) -> DockerReference:
    try:
        return DockerReference.parse(text(value, where))
    except InvalidNameError as error:
        raise StrictJSONError(f"{where}: {error.message}") from error


def _prefix(value: Value, where: str) -> str:
    prefix = text(value, where)
    if not is_domain(prefix) and not is_full_name(prefix):
        raise StrictJSONError(f"{where}: {shown(prefix)} is neither a host nor a name with one")
    return prefix
