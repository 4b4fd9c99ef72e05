"""Whom `regctl verify` trusts: keys, authorities and policies, read from files."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from regctl.errors import ContentError, InputFileError, InvalidNameError, UsageError
from regctl.layout import RepositoryName
from regctl.maintenance.audit_results import Requirement
from regctl.maintenance.audit_trust import Judge, KeyJudge, PolicyJudge, Trusted
from regctl.registry.localfile import FileSource
from regctl.signature.cosign import Trust
from regctl.signature.keyfile import PublicKey, load_public_key, public_key_of_spki
from regctl.signature.keyfile_errors import KeyFileError
from regctl.signature.policy_reference import DockerReference

# What reads certificates, JWKs and policies takes long to load: only where one is given.
if TYPE_CHECKING:
    from cryptography import x509

    from regctl.signature.cosign_certificate import Certificate

_MAX_BYTES = 4 << 20
_KEY_ID = re.compile(r"(?:[A-Z2-7]{4}:){11}[A-Z2-7]{4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Judging:
    """A judge, whether it can prove anything, and what is required, in a word."""

    judge: Judge
    proves: bool
    required: str


def key_judge(
    keys: Sequence[str],
    authorities: Sequence[str],
    key_ids: Sequence[str],
    host: str | None,
    require: str | None,
) -> Judging:
    """The judge by these key files, PEM files of authorities and libtrust ids.

    Raises `InputFileError`, and `UsageError` for what is no such thing.
    """
    if host is not None:
        _check_host(host)
    public = [_read_key(path) for path in keys]
    roots = [_read_authorities(path) for path in authorities]
    for each in key_ids:
        if not _KEY_ID.fullmatch(each):
            raise UsageError(
                f"{each[:100]!r} is not the id of a libtrust key",
                hint="an id is twelve groups of four letters and digits, joined by ':'",
            )
    now = datetime.now(UTC)
    trusted = Trusted(
        Trust(tuple(public), tuple(each for mine, _ in roots for each in mine), now),
        frozenset(key_ids),
        tuple(each for _, theirs in roots for each in theirs),
        now,
    )
    required = require or ("present" if trusted.is_empty else "trusted")
    judge = KeyJudge(trusted, Requirement(required), host or "")
    return Judging(judge, not trusted.is_empty, required)


def policy_judge(path: str, host: str | None, require: str | None) -> Judging:
    """The judge by the policy in a file. Raises `InputFileError`, `PolicyError`, `UsageError`."""
    if host is None:
        raise UsageError(
            "--policy needs --registry-host: policies go by the name that clients use",
            hint="say under which host the nodes know this storage: registry.example.com:5000",
        )
    from regctl.signature.policy import parse_policy  # noqa: PLC0415
    from regctl.signature.policy_evaluation import Evaluator  # noqa: PLC0415

    _check_host(host)
    policy = parse_policy(_read(path))
    files: dict[str, bytes | str] = {}
    for each in policy.key_paths():
        try:
            files[each] = _read(each)
        except InputFileError as error:
            files[each] = error.message
    requirement = Requirement(require) if require is not None else None
    judge = PolicyJudge(Evaluator(policy, files), host, requirement)
    return Judging(judge, True, f"the policy, and {require}" if require else "the policy")


def _check_host(host: str) -> None:
    try:
        DockerReference.of(host, RepositoryName("a"))
    except InvalidNameError as error:
        raise UsageError(f"--registry-host: {error.message}", hint=error.hint) from error


def _read(path: str) -> bytes:
    with FileSource.open(path) as source:
        content = source.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise InputFileError(f"{path} has more than {_MAX_BYTES} bytes")
    return content


def _read_key(path: str) -> PublicKey:
    content = _read(path)
    try:
        if content.lstrip().startswith(b"{"):
            return _read_jwk(content)
        return load_public_key(content)
    except (ContentError, KeyFileError) as error:
        raise InputFileError(f"--key {path}: {error.message}", hint=error.hint) from error


def _read_jwk(content: bytes) -> PublicKey:
    """The key in a JWK: EC and RSA as libtrust reads them, and Ed25519 (RFC 8037)."""
    from regctl.signature import libtrust  # noqa: PLC0415

    try:
        value = json.loads(content)
    except ValueError as error:
        raise KeyFileError("the JWK is not JSON") from error
    if isinstance(value, dict) and value.get("kty") == "OKP":
        return _read_ed25519(value)
    numbers = libtrust.read_public("key.jwk", content).numbers
    return public_key_of_spki(numbers.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _read_ed25519(value: dict[str, object]) -> PublicKey:
    text = value.get("x")
    if value.get("crv") != "Ed25519" or not isinstance(text, str) or "d" in value:
        raise KeyFileError("of the keys of the kind OKP only public ones on Ed25519 are supported")
    try:
        raw = base64.b64decode(text.rstrip("=") + "=", altchars=b"-_", validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw)
    except (binascii.Error, ValueError) as error:
        raise KeyFileError("the number x of the JWK is malformed") from error
    return public_key_of_spki(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _read_authorities(path: str) -> tuple[tuple[Certificate, ...], tuple[x509.Certificate, ...]]:
    """The certificates of a file, in the forms that cosign and libtrust are judged with."""
    from regctl.signature import libtrust  # noqa: PLC0415
    from regctl.signature.cosign_certificate import load_certificates  # noqa: PLC0415

    content = _read(path)
    try:
        return load_certificates(content), libtrust.read_bundle(content)
    except (ContentError, KeyFileError) as error:
        raise InputFileError(f"--ca {path}: {error.message}", hint=error.hint) from error
