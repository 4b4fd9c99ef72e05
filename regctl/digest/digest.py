"""The digest of content as a value: parsed once, at the edge, and never a bare string."""

from __future__ import annotations

import re
from dataclasses import dataclass

from regctl.errors import InvalidDigestError, UnsupportedDigestError

#: Length in hex digits of every algorithm that a digest may name.
HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128, "md5": 32, "sha1": 40}
#: The one TarSum that may name a new layer, as the registry of 2015 had it.
LAYER_TARSUM = "tarsum.v1+sha256"
#: What may name new content. The others are only read, in old trees.
WRITABLE = frozenset({"sha256", "sha384", "sha512"})
#: TarSum labels by the name of their version in paths ("v0" is the one without a name).
TARSUM_LABELS = {"v0": "tarsum", "v1": "tarsum.v1", "dev": "tarsum.dev"}
TARSUM_VERSIONS = {label: version for version, label in TARSUM_LABELS.items()}

_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_SHA256_LENGTH = len("sha256:") + 64
_ALGORITHM = re.compile(r"[A-Za-z0-9]+(?:[.+_-][A-Za-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A content address ``<algorithm>:<hex>``, for instance ``sha256:e3b0c442...``.

    ``algorithm`` is ``sha256``, ``sha384``, ``sha512``, or, for reading old trees, ``md5``,
    ``sha1`` or a TarSum form such as ``tarsum.v1+sha256``; ``hex`` is lower-case and has the
    algorithm's length. Only `parse` and `of_hash` make one, so that every value is safe in a path.
    Source: the Distribution and OCI image specifications, "Digests"; Docker's ``pkg/tarsum``.
    """

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """The digest that ``text`` writes.

        Raises `InvalidDigestError` if it has not the form of one (upper-case or short hex
        included) and `UnsupportedDigestError` if its algorithm is not known.
        """
        if len(text) == _SHA256_LENGTH and text.startswith("sha256:") and _HEX.fullmatch(text, 7):
            return cls("sha256", text[7:])  # nearly every digest that there is
        algorithm, colon, hex_digits = text.partition(":")
        if not colon or not _ALGORITHM.fullmatch(algorithm):
            raise InvalidDigestError(
                f"{text!r} is not a digest", hint="a digest reads sha256:<64 lower-case hex digits>"
            )
        label, plus, inner = algorithm.partition("+")
        name = inner if plus else label
        if name not in HEX_LENGTHS or (plus and label not in TARSUM_VERSIONS):
            raise UnsupportedDigestError(
                f"the digest algorithm {algorithm!r} of {text!r} is not supported",
                hint="supported are sha256, sha384, sha512 and the TarSum forms",
            )
        if len(hex_digits) != HEX_LENGTHS[name] or not _HEX.fullmatch(hex_digits):
            raise InvalidDigestError(
                f"{text!r} is not a digest: {name} has {HEX_LENGTHS[name]} lower-case hex digits",
            )
        return cls(algorithm, hex_digits)

    @classmethod
    def of_hash(cls, algorithm: str, raw: bytes) -> Digest:
        """The digest with the bytes ``raw`` that the hash function ``algorithm`` gave."""
        return cls.parse(f"{algorithm}:{raw.hex()}")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def is_tarsum(self) -> bool:
        """Whether this is the TarSum of an archive, not a hash of its bytes."""
        return "+" in self.algorithm

    @property
    def tarsum_version(self) -> str:
        """``v0``, ``v1`` or ``dev``; the empty string where this is no TarSum."""
        label, plus, _ = self.algorithm.partition("+")
        return TARSUM_VERSIONS[label] if plus else ""

    @property
    def hash_name(self) -> str:
        """The hash function below: ``sha256`` for ``sha256`` and for ``tarsum.v1+sha256``."""
        return self.algorithm.rpartition("+")[2]

    @property
    def is_writable(self) -> bool:
        """Whether new content may be stored under this digest."""
        return self.algorithm in WRITABLE

    def require_writable(self) -> None:
        """Raise `UnsupportedDigestError` unless new content may be stored under this digest."""
        if not self.is_writable:
            raise UnsupportedDigestError(
                f"new content cannot be stored under {self}: {self.algorithm} is only read",
                hint="use a sha256, sha384 or sha512 digest",
            )

    @property
    def is_computable(self) -> bool:
        """Whether content can be checked against this digest: all but odd forms of TarSums."""
        return not self.is_tarsum or self.hash_name == "sha256"

    def require_layer_writable(self) -> None:
        """The same for a new layer, which may be named by its TarSum as well, in version 1."""
        if not self.is_tarsum:
            self.require_writable()
        elif self.algorithm != LAYER_TARSUM:
            raise UnsupportedDigestError(
                f"unsupported TarSum version: no new layer can be stored under {self}",
                hint="use a tarsum.v1+sha256 digest",
            )
