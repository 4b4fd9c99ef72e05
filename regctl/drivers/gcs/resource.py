"""One object as the JSON API describes it.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects#resource
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import google_crc32c

from regctl.drivers.gcs.errors import not_gcs

#: The content type of an object that stands for an upload in progress, and of every other. Source:
#: Distribution, ``registry/storage/driver/gcs/gcs.go``.
SESSION_TYPE = "application/x-docker-upload-session"
CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Resource:
    """One object: its name in the bucket, ``size`` in bytes, ``updated`` in seconds since the
    epoch; ``crc32c`` of the content, None where the answer has none."""

    name: str
    size: int
    generation: str | None
    updated: float
    content_type: str
    crc32c: int | None
    metadata: Mapping[str, str]

    @property
    def is_session(self) -> bool:
        """Whether it stands for an upload in progress, which is to be taken for absent."""
        return self.content_type == SESSION_TYPE


def parse(member: Mapping[str, Any]) -> Resource:
    """The object that one JSON object describes. Raises `NotGcsError` if it describes none."""
    try:
        checksum = member.get("crc32c")
        return Resource(
            name=str(member["name"]),
            size=int(member.get("size", 0)),
            generation=str(member["generation"]) if "generation" in member else None,
            updated=timestamp(member["updated"]) if "updated" in member else 0.0,
            content_type=str(member.get("contentType", "")),
            crc32c=checksum_of(checksum) if checksum else None,
            metadata=dict(member.get("metadata") or {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise not_gcs("it describes an object in another form") from error


def timestamp(text: str) -> float:
    """An RFC 3339 time as seconds since the epoch. Raises `ValueError`."""
    return datetime.fromisoformat(text).timestamp()


def checksum_of(text: str) -> int:
    """The crc32c that ``text`` says: base64 of four bytes, the highest first.

    Raises `ValueError`.
    """
    value = b64decode(text, validate=True)
    if len(value) != 4:
        raise ValueError("a crc32c has four bytes")
    return int.from_bytes(value, "big")


def checksum_text(crc: int) -> str:
    """A crc32c as the JSON API writes it."""
    return b64encode(crc.to_bytes(4, "big")).decode()


def crc32c(data: bytes | bytearray | memoryview, crc: int = 0) -> int:
    """The crc32c of what had ``crc`` (nothing, by default) and goes on with ``data``."""
    return int(google_crc32c.extend(crc, data if isinstance(data, bytes) else bytes(data)))
