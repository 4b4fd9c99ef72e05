"""What is recorded of an upload between two writers, and what is lost when its session is."""

from __future__ import annotations

from dataclasses import dataclass, field

from regctl.drivers.gcs.resource import Resource, checksum_of, checksum_text
from regctl.errors import DamagedError

_SESSION = "Session-URI"
_OFFSET = "Offset"
#: Ours: the crc32c of the first ``Offset`` bytes. A record that a registry writes has none.
_CRC32C = "Regctl-Crc32c"


@dataclass(frozen=True, slots=True)
class Record:
    """An upload between two writers: the URI of its session ("" if it has none), a secret, how many
    bytes it was sent, and the crc32c of these if it is known."""

    uri: str = field(repr=False)
    offset: int
    crc32c: int | None

    @classmethod
    def read(cls, path: str, resource: Resource) -> Record:
        """The record in the metadata of an upload's object. Raises `DamagedError`."""
        uri = resource.metadata.get(_SESSION, "")
        offset = recorded_offset(path, resource)
        if offset and not uri:
            raise DamagedError(f"{path}: the upload's record has an offset and no session")
        try:
            text = resource.metadata.get(_CRC32C)
            crc = checksum_of(text) if text else None
        except ValueError as error:
            raise DamagedError(f"{path}: the upload's record has no checksum") from error
        return cls(uri, offset, crc if offset else 0)

    def metadata(self) -> dict[str, str]:
        """The metadata of the upload's object."""
        members = {
            _SESSION: self.uri,
            _OFFSET: str(self.offset),
        }
        if self.crc32c is not None:
            members[_CRC32C] = checksum_text(self.crc32c)
        return members


def recorded_offset(path: str, resource: Resource) -> int:
    """How many bytes the session has, by its record. Raises `DamagedError`."""
    text = resource.metadata.get(_OFFSET) or "0"
    if not (text.isascii() and text.isdigit()):
        raise DamagedError(f"{path}: the upload's record has no offset")
    return int(text)


def session_gone(path: str, size: int, lost: int) -> DamagedError:
    """What to say when a session that had the first ``lost`` bytes of an upload has them no more.

    The record is left as it is: what it holds is the end of the content, of no use to anybody
    without the beginning.
    """
    return DamagedError(
        f"{path}: the upload's session has expired or was ended: {lost} of its {size} bytes are"
        " gone, and it cannot be continued",
        hint="cancel the upload and begin anew; a session lives a week",
    )
