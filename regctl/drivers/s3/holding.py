"""Whether content is what the store holds, told by the store's checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from regctl.drivers.base import Buffer
from regctl.drivers.s3.multipart import StoredObject
from regctl.drivers.s3.parts import Part, is_md5


def holds(
    stored: Sequence[StoredObject | Part], memory: Sequence[Buffer], pieces: Iterable[Buffer]
) -> bool:
    """Whether ``stored``, and then ``memory``, are what ``pieces`` begin with.

    False where an ETag is no MD5 of what it stands for: of an object that was uploaded in parts,
    under KMS, or of a part that SeaweedFS copied.
    """
    if not all(is_md5(each.etag) for each in stored):
        return False
    wanted = [(each.size, each.etag) for each in stored]
    wanted += [(len(piece), _md5(piece).hexdigest()) for piece in memory]
    rest = _Pieces(pieces)
    return all(rest.md5(size) == checksum for size, checksum in wanted if size)


class _Pieces:
    """Pieces of content, taken by other sizes than they come in."""

    def __init__(self, pieces: Iterable[Buffer]) -> None:
        self._pieces: Iterator[Buffer] = iter(pieces)
        self._rest = memoryview(b"")

    def md5(self, size: int) -> str | None:
        """The MD5 of the next ``size`` bytes; None if there are fewer."""
        hash_ = _md5()
        while size:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    return None
                self._rest = memoryview(piece).cast("B")
                continue
            taken = self._rest[:size]
            hash_.update(taken)
            self._rest = self._rest[len(taken) :]
            size -= len(taken)
        return hash_.hexdigest()


def _md5(data: Buffer = b"") -> hashlib._Hash:
    """As S3 uses it, to tell contents apart and not to protect them."""
    return hashlib.md5(data, usedforsecurity=False)
