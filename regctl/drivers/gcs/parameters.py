"""The members of ``storage.gcs`` in a registry's configuration, checked.

Source: Distribution, ``registry/storage/driver/gcs/gcs.go``, its ``FromParameters``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from regctl.errors import ConfigurationError

#: Content goes to a resumable session in multiples of this many bytes.
QUANTUM = 256 << 10
DEFAULT_CHUNK_BYTES = 16 << 20
#: A writer holds two chunks in memory, however large the configuration has them.
LARGEST_CHUNK_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Parameters:
    """Where a storage in GCS is, and how it is used.

    ``prefix`` is what all keys begin with: empty, or with ``/`` at its end. ``keyfile`` is the path
    of a service account's key file, ``credentials`` the content of one; at most one is not None.
    ``chunk_bytes`` is what goes to a session at a time, ``max_concurrency`` the most requests in
    flight, None if nothing is said.
    """

    bucket: str
    prefix: str = ""
    keyfile: str | None = None
    credentials: Mapping[str, object] | None = None
    chunk_bytes: int = DEFAULT_CHUNK_BYTES
    max_concurrency: int | None = None

    def __repr__(self) -> str:
        return f"Parameters({self.bucket!r}, {self.prefix!r})"


def parse(members: Mapping[str, object]) -> Parameters:
    """The ``members`` of ``storage.gcs``. Raises `ConfigurationError`, without any secret."""
    bucket = members.get("bucket")
    if not isinstance(bucket, str) or not bucket or "/" in bucket:
        raise ConfigurationError("storage.gcs needs a bucket, by its name")
    keyfile = members.get("keyfile")
    if keyfile is not None and (not isinstance(keyfile, str) or not keyfile):
        raise ConfigurationError("keyfile of storage.gcs is not the path of a file")
    credentials = members.get("credentials")
    if keyfile is not None:
        credentials = None  # as Distribution, which looks for the file first
    elif credentials is not None and not isinstance(credentials, Mapping):
        raise ConfigurationError(
            "credentials of storage.gcs are not a map: they are the members of a service"
            " account's key file"
        )
    return Parameters(
        bucket=bucket,
        prefix=_prefix(members.get("rootdirectory")),
        keyfile=keyfile,
        credentials=credentials,
        chunk_bytes=_chunk(members.get("chunksize")),
        max_concurrency=_concurrency(members.get("maxconcurrency")),
    )


def _prefix(root: object) -> str:
    if root is None:
        return ""
    if not isinstance(root, str):
        raise ConfigurationError("rootdirectory of storage.gcs is not a text")
    stripped = root.strip("/")
    return f"{stripped}/" if stripped else ""


def _chunk(value: object) -> int:
    if value is None:
        return DEFAULT_CHUNK_BYTES
    if not isinstance(value, int) or value < QUANTUM or value % QUANTUM:
        raise ConfigurationError(
            f"chunksize of storage.gcs is {value!r}, not a multiple of {QUANTUM} bytes"
        )
    return min(value, LARGEST_CHUNK_BYTES)


def _concurrency(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or value < 1:
        raise ConfigurationError(
            f"maxconcurrency of storage.gcs is {value!r}, not a number from 1 on"
        )
    return value
