"""A tar reader into which an archive is pushed, and which finds in it what the reference finds.

It is one long generator, see `source`. Source: the copy of Go's ``archive/tar`` of 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from regctl.digest.tarsum import pax, sparse
from regctl.digest.tarsum.errors import InvalidArchiveError
from regctl.digest.tarsum.fields import text
from regctl.digest.tarsum.header import BLOCK_SIZE, Header
from regctl.digest.tarsum.limits import Limits
from regctl.digest.tarsum.source import Source, Wait
from regctl.digest.verifier import Buffer

_ZERO_BLOCK = bytes(BLOCK_SIZE)
_ZEROS = memoryview(bytes(1 << 20))
_EXTENDED = frozenset({b"x", b"L", b"K", b"S"})
_NAMES = frozenset({b"L", b"K"})

_IN_CONTENT = "the archive ends inside an entry's content"
_NO_ENTRY = "an extended header or long name has no entry behind it"
_NO_PADDING = "the archive ends with the last byte of an entry's content"
_SHORT_MAP = "a sparse file's map is not valid"
_NO_MAP = "a sparse file's map is cut off: the reference silently stops there"
_INTERRUPTED = "the archive was not read to its end"
_WRONG_SIZE = "an entry's size is not that of its content"


class Sink(Protocol):
    """Who is told of the entries."""

    def begin(self, header: Header, otherwise: Header | None, /) -> None:
        """An entry follows; by the reference's whim it has the second header, if there is one."""

    def content(self, data: memoryview, /) -> None:
        """The next bytes of the entry's content; ``data`` is gone afterwards."""

    def end(self) -> None:
        """The entry is complete."""


@dataclass(slots=True)
class _Entry:
    """A header, and what precedes and follows it."""

    header: Header
    otherwise: Header | None = None
    pieces: sparse.SparseMap | None = None
    #: Size of a sparse file, and how much of its content its map has not used up.
    real_size: int = 0
    data: int = 0


class ArchiveReader(Source):
    """Tells ``sink`` of the entries of the archive that is given to `feed`, bit by bit.

    ``strict_end`` refuses an archive that ends with the last byte of an entry's content, without
    the padding; see `TarSum`.
    """

    def __init__(self, sink: Sink, limits: Limits, *, strict_end: bool = False) -> None:
        super().__init__()
        self._sink = sink
        self._limits = limits
        self._strict_end = strict_end
        self._holes = 0
        #: Whether the archive's end was seen; nothing that follows belongs to it.
        self.ended = False
        self._machine = self._archive()
        #: Why the archive may not end here; None where it may.
        self.incomplete: str | None = next(self._machine)

    def feed(self, data: Buffer) -> None:
        """Read on in ``data``, of which nothing is kept; raises `InvalidArchiveError`."""
        if self.ended or self.incomplete is _INTERRUPTED:
            return
        # A signal that interrupts the generator ends it as well: that must be no good end.
        self.incomplete = _INTERRUPTED
        with self._reading(data):
            self.incomplete = next(self._machine, _INTERRUPTED)

    def _archive(self) -> Wait[None]:
        yield None
        while True:
            block = self._block() or (yield from self._wait_block(None))
            if block == _ZERO_BLOCK:
                break
            header = Header(block)
            if header.typeflag in _EXTENDED:
                entry = yield from self._extended(header, block)
                if entry.pieces is None:
                    yield from self._plain(entry.header, entry.otherwise)
                else:
                    yield from self._sparse(entry, entry.pieces)
            else:
                yield from self._plain(header, None)
        # One block of zeros is enough where the archive ends with it.
        if (yield from self._wait_block(None)) != _ZERO_BLOCK:
            raise InvalidArchiveError("a block of zeros has a header behind it")
        self.ended = True
        yield None

    def _record(self, header: Header) -> Wait[bytes]:
        """The content of an extended header or long name, and the block behind it is due."""
        if header.stored > self._limits.record:
            raise InvalidArchiveError(
                f"an extended header or long name has more than {self._limits.record} bytes"
            )
        data = bytearray(self._take(header.stored))
        while len(data) < header.stored:
            yield _IN_CONTENT
            data += self._take(header.stored - len(data))
        padding = -header.stored % BLOCK_SIZE
        while padding := self._pass(padding):
            yield _NO_ENTRY
        return bytes(data)

    def _extended(self, header: Header, block: bytes) -> Wait[_Entry]:
        """The entry behind long names and an extended header; of several long names the first."""
        names: dict[bytes, bytes] = {}
        while header.typeflag in _NAMES:
            name = text((yield from self._record(header)))
            names.setdefault(header.typeflag, name)
            block = self._block() or (yield from self._wait_block(_NO_ENTRY))
            header = _due(block)
        if header.typeflag == b"x":
            records = pax.parse_records((yield from self._record(header)))
            # What follows is the entry, whatever its type.
            block = self._block() or (yield from self._wait_block(_NO_ENTRY))
            header = _due(block)
            entry = yield from self._described(header, block, records)
        elif header.typeflag == b"S":
            entry = yield from self._old_sparse(header, block)
        else:
            entry = _Entry(header)
        for each in (entry.header, entry.otherwise) if names else ():
            if each is not None:
                each.name = names.get(b"L", each.name)
                each.linkname = names.get(b"K", each.linkname)
        return entry

    def _old_sparse(self, header: Header, block: bytes) -> Wait[_Entry]:
        """The entry of ``header``, a sparse file of the old GNU format, with its map."""
        header.size = sparse.real_size(block)
        pieces = sparse.SparseMap(self._limits.pieces)
        more = pieces.add_block(block, extension=False)
        while more:
            more = pieces.add_block((yield from self._wait_block(_NO_MAP)), extension=True)
        return _Entry(header, None, pieces, header.size, header.stored)

    def _described(self, header: Header, block: bytes, records: pax.Records) -> Wait[_Entry]:
        """The entry of ``header`` with what an extended header says of it."""
        entry = _Entry(header)
        if header.typeflag == b"S":
            entry = yield from self._old_sparse(header, block)
        entry.otherwise = pax.merge(header, records)
        version = pax.sparse_version(records)
        if version is None:
            return entry
        if entry.pieces is not None:
            raise InvalidArchiveError("a sparse file is described in two ways")
        for each in (header, entry.otherwise):
            if each is not None:
                pax.merge_sparse(each, records)
        entry.real_size, entry.data = header.size, header.stored
        if version == b"1.0":
            entry.pieces = yield from self._map_in_content(entry)
        else:
            entry.pieces = sparse.map_of_records(records, self._limits.pieces)
        return entry

    def _map_in_content(self, entry: _Entry) -> Wait[sparse.SparseMap]:
        reader = sparse.map_of_content(self._limits.pieces)
        next(reader)
        while True:
            if entry.data < BLOCK_SIZE:
                raise InvalidArchiveError(_SHORT_MAP if entry.data else _NO_MAP)
            block = yield from self._wait_block(_IN_CONTENT)
            entry.data -= BLOCK_SIZE
            try:
                reader.send(block)
            except StopIteration as done:
                found: sparse.SparseMap = done.value
                return found

    def _plain(self, header: Header, otherwise: Header | None) -> Wait[None]:
        if header.size != header.stored:
            raise InvalidArchiveError(_WRONG_SIZE)
        self._sink.begin(header, otherwise)
        # Most content is there as a whole; generators are for the rest, since each takes its time.
        if header.stored > self._end - self._at:
            yield from self._content(header.stored)
        elif header.stored:
            self._sink.content(self._take(header.stored))
        self._sink.end()
        if header.stored:
            if self._strict_end:
                yield from self._whole_content()
            if padding := self._pass(-header.stored % BLOCK_SIZE):
                yield None
                yield from self._skip(padding)

    def _content(self, count: int) -> Wait[None]:
        while count > (there := self._end - self._at):
            if there:
                self._sink.content(self._take(there))
                count -= there
            yield _IN_CONTENT
        if count:
            self._sink.content(self._take(count))

    def _whole_content(self) -> Wait[None]:
        """See to it that the archive does not end here, where the end is strict."""
        while self._strict_end and self._at == self._end:
            yield _NO_PADDING

    def _sparse(self, entry: _Entry, pieces: sparse.SparseMap) -> Wait[None]:
        used = holes = last = 0
        for hole, data in sparse.runs(pieces, entry.data, entry.real_size):
            used += data
            holes += hole
            last = 0 if data else last + hole
        if used + holes != entry.header.size:
            raise InvalidArchiveError(_WRONG_SIZE)
        self._holes += holes
        if self._holes > self._limits.holes:
            raise InvalidArchiveError(
                f"sparse files have more than {self._limits.holes} bytes in their holes"
            )
        self._sink.begin(entry.header, entry.otherwise)
        for hole, data in sparse.runs(pieces, entry.data, entry.real_size):
            self._zeros(hole)
            yield from self._content(data)
        self._sink.end()
        unused = entry.data - used
        if used and (unused or not last):
            yield from self._whole_content()
        yield from self._skip(unused + -entry.header.stored % BLOCK_SIZE)

    def _zeros(self, count: int) -> None:
        while count > 0:
            self._sink.content(_ZEROS[:count])
            count -= len(_ZEROS)


def _due(block: bytes) -> Header:
    """The header in ``block``, where an end is not good."""
    if block == _ZERO_BLOCK:
        raise InvalidArchiveError(_NO_ENTRY)
    return Header(block)
