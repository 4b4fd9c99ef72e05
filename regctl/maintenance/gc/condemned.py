"""The list of what a run found to be garbage, kept until a later run sweeps it.

A list is a directory of chunks and a header. The header is written last and names the SHA-256 of
every chunk: a list without one, or whose header or chunks are not whole, is no list.

A chunk is `_MAGIC`, then sections. A section is what one run found of one kind in one repository
(or of one tag, or beside one revision), as big-endian numbers: kind and layout (a byte each), the
lengths of the repository's name, the tag and the revision (two bytes each), how many packed digests
follow and how many bytes of others (four each); then these texts, 32 bytes for each sha256 digest,
and the other digests as text, separated by newlines. A million digests take 32 MB.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from regctl.digest import Digest
from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import DamagedError, PathNotFoundError, RegctlError
from regctl.layout import Layout, RepositoryName, Tag, own, specs
from regctl.maintenance.gc.runs import RunId, parse_or_none
from regctl.maintenance.gc.things import Thing, ThingKind, spec_at, thing_of

FORMAT_VERSION = 1
#: Bytes after which a chunk is written, and the most that one has.
CHUNK_BYTES = 1 << 20
_MOST_CHUNK_BYTES = 4 * CHUNK_BYTES
_MOST_HEADER_BYTES = 16 << 20
_MAGIC = b"regctl condemned 1\n"
_SECTION = struct.Struct(">BBHHHII")
_PACKED_BYTES = 32
#: Digests in one section; what has more makes several.
_MOST_DIGESTS = CHUNK_BYTES // _PACKED_BYTES
#: What kinds and layouts are called in a chunk; numbers are only ever added.
_KIND_NUMBERS = {
    ThingKind.BLOB: 1,
    ThingKind.LAYER_LINK: 2,
    ThingKind.REVISION: 3,
    ThingKind.SIGNATURE_LINK: 4,
    ThingKind.INDEX_ENTRY: 5,
    ThingKind.TAG: 6,
}
_KINDS = {number: kind for kind, number in _KIND_NUMBERS.items()}
_LAYOUT_NUMBERS = {Layout.CURRENT: 0, Layout.Y2015: 1}
_LAYOUTS = {number: layout for layout, number in _LAYOUT_NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class Section:
    """Things of one kind at one place: of ``repository`` (None: blobs), of ``tag`` for entries of
    its index and for itself, beside ``revision`` for signatures.

    ``packed`` are sha256 digests, 32 bytes each, ``others`` those of other algorithms. A tag itself
    has neither.
    """

    kind: ThingKind
    repository: RepositoryName | None = None
    tag: Tag | None = None
    revision: Digest | None = None
    packed: bytes = b""
    others: tuple[Digest, ...] = ()
    layout: Layout = Layout.CURRENT

    def __len__(self) -> int:
        """How many things it has."""
        if self.kind is ThingKind.TAG:
            return 1
        return len(self.packed) // _PACKED_BYTES + len(self.others)

    def digests(self) -> Iterator[Digest]:
        """All its digests."""
        for at in range(0, len(self.packed), _PACKED_BYTES):
            yield Digest.of_hash("sha256", self.packed[at : at + _PACKED_BYTES])
        yield from self.others

    def things(self) -> Iterator[Thing]:
        """All its things, of no size and time."""
        if self.kind is ThingKind.TAG:
            assert self.repository is not None
            assert self.tag is not None
            yield thing_of(specs.TagCurrentLink(self.repository, self.tag), self.layout)
            return
        for digest in self.digests():
            yield thing_of(self._spec(digest), self.layout)

    def _spec(self, digest: Digest) -> specs.Spec:
        if self.kind is ThingKind.BLOB:
            return specs.BlobData(digest)
        assert self.repository is not None
        if self.kind is ThingKind.LAYER_LINK:
            return specs.LayerLink(self.repository, digest)
        if self.kind is ThingKind.REVISION:
            return specs.RevisionLink(self.repository, digest)
        if self.kind is ThingKind.INDEX_ENTRY:
            assert self.tag is not None
            return specs.TagIndexEntryLink(self.repository, self.tag, digest)
        assert self.revision is not None
        return specs.SignatureLink(self.repository, self.revision, digest)


@dataclass(frozen=True, slots=True)
class CondemnedList:
    """A whole list: what ``run`` condemned ``at`` (seconds since the epoch, by the storage's
    clock), under the flags and scope that ``fingerprint`` stands for; ``counts`` by kind."""

    run: RunId
    at: float
    fingerprint: str
    version: str
    counts: Mapping[ThingKind, int]
    _chunks: tuple[str, ...]

    def sections(self, driver: StorageDriver) -> Iterator[Section]:
        """All that it has, chunk by chunk, each checked before anything of it comes.

        Raises `DamagedError` if a chunk is missing or is not what was written.
        """
        for number, digest in enumerate(self._chunks):
            path = own.condemned_chunk(str(self.run), number)
            try:
                content = driver.get(path, _MOST_CHUNK_BYTES)
            except PathNotFoundError as error:
                raise _damaged(path) from error
            if hashlib.sha256(content).hexdigest() != digest:
                raise _damaged(path)
            yield from _decode(content, path)


def _damaged(path: str) -> DamagedError:
    return DamagedError(
        f"{path} is not what was written there", hint="the list is of no use: condemn anew"
    )


def write_list(
    driver: StorageDriver,
    run: RunId,
    sections: Iterable[Section],
    *,
    at: float,
    fingerprint: str,
    version: str,
) -> CondemnedList:
    """Keep ``sections`` as the list of ``run``, condemned ``at``.

    It is no list before this returns. Interrupted, it is written anew by another run.
    """
    chunks = _Chunks(driver, run)
    counts: dict[ThingKind, int] = {}
    for whole in sections:
        for section in _parts(whole):
            counts[section.kind] = counts.get(section.kind, 0) + len(section)
            chunks.add(_encode(section))
    chunks.flush()
    written = CondemnedList(run, at, fingerprint, version, counts, tuple(chunks.digests))
    header = {
        "format": FORMAT_VERSION,
        "run": str(run),
        "at": at,
        "fingerprint": fingerprint,
        "version": version,
        "counts": {kind.value: count for kind, count in counts.items()},
        "chunks": chunks.digests,
    }
    body = json.dumps(header, sort_keys=True)
    content = {"header": body, "sha256": hashlib.sha256(body.encode("ascii")).hexdigest()}
    driver.put(own.condemned_header(str(run)), json.dumps(content).encode("ascii"))
    return written


def sections_of(things: Iterable[Thing]) -> Iterator[Section]:
    """Sections of ``things``: few and large where those of one place come together."""
    place: tuple[object, ...] | None = None
    section: Section | None = None
    packed, others = bytearray(), list[Digest]()
    for thing in things:
        spec, layout = spec_at(thing.path)
        tag = getattr(spec, "tag", None)
        revision = spec.revision if isinstance(spec, specs.SignatureLink) else None
        here = (thing.kind, thing.repository, tag, revision, layout)
        if here != place or len(packed) >= _MOST_DIGESTS * _PACKED_BYTES:
            if section is not None:
                yield _with(section, packed, others)
            place, section = here, Section(*here[:4], layout=layout)
            packed, others = bytearray(), []
        if thing.digest is not None and thing.digest.algorithm == "sha256":
            packed += bytes.fromhex(thing.digest.hex)
        elif thing.digest is not None:
            others.append(thing.digest)
    if section is not None:
        yield _with(section, packed, others)


def find_lists(driver: StorageDriver) -> tuple[list[CondemnedList], list[RunId]]:
    """The whole lists, the newest first; and the runs of which there is something that is none."""
    found: list[CondemnedList] = []
    broken: list[RunId] = []
    for run in _runs(driver):
        header = _read_header(driver, run)
        if header is None:
            broken.append(run)
        else:
            found.append(header)
    return sorted(found, key=lambda each: (each.at, each.run), reverse=True), sorted(broken)


def settled_list(
    driver: StorageDriver, now: float, settle: float, fingerprint: str | None = None
) -> CondemnedList | None:
    """The newest list that is at least ``settle`` seconds old ``now``, and was made under
    ``fingerprint``, if that is given; None if there is none."""
    for each in find_lists(driver)[0]:
        if each.at <= now - settle and fingerprint in (None, each.fingerprint):
            return each
    return None


def remove_lists(driver: StorageDriver, keep: Iterable[RunId] = ()) -> None:
    """Remove every list, whole or not, but those of the runs ``keep``: its header first."""
    kept = set(keep)
    for run in _runs(driver):
        if run not in kept:
            remove_list(driver, run)


def remove_list(driver: StorageDriver, run: RunId) -> None:
    """Remove the list of ``run``, its header first, so that it is none from then on. Idempotent."""
    header = own.condemned_header(str(run))
    with suppress(PathNotFoundError):
        driver.delete(header)
    directory = own.condemned(str(run))
    with suppress(PathNotFoundError):
        paths = [entry.path for entry in driver.list(directory) if entry.kind is Kind.FILE]
        for _, error in driver.delete_many(paths):
            if error is not None:
                raise error
    driver.rmdir(directory)


def _runs(driver: StorageDriver) -> list[RunId]:
    try:
        entries = driver.list(own.CONDEMNED)
    except PathNotFoundError:
        return []
    found = (parse_or_none(entry.name) for entry in entries if entry.kind is Kind.DIRECTORY)
    return [run for run in found if run is not None]


def _read_header(driver: StorageDriver, run: RunId) -> CondemnedList | None:
    """The list of ``run``; None if its header is missing, damaged or of another format."""
    try:
        content = driver.get(own.condemned_header(str(run)), _MOST_HEADER_BYTES)
    except (PathNotFoundError, DamagedError):
        return None
    with suppress(ValueError, RecursionError, KeyError, TypeError, AttributeError):
        outer = json.loads(content)
        if hashlib.sha256(outer["header"].encode("ascii")).hexdigest() != outer["sha256"]:
            return None
        members = json.loads(outer["header"])
        if members["format"] == FORMAT_VERSION and members["run"] == str(run):
            return CondemnedList(
                run,
                float(members["at"]),
                str(members["fingerprint"]),
                str(members["version"]),
                {ThingKind(name): int(count) for name, count in members["counts"].items()},
                tuple(str(each) for each in members["chunks"]),
            )
    return None


@dataclass(slots=True)
class _Chunks:
    """Writes chunks of about `CHUNK_BYTES`; ``digests`` are those of what was written."""

    driver: StorageDriver
    run: RunId
    digests: list[str] = field(default_factory=list)
    _buffer: bytearray = field(default_factory=bytearray)

    def add(self, section: bytes) -> None:
        """Append a section, to be written when there is enough."""
        self._buffer += section
        if len(self._buffer) >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is left."""
        if self._buffer:
            content = _MAGIC + self._buffer
            path = own.condemned_chunk(str(self.run), len(self.digests))
            self.driver.put(path, content)
            self.digests.append(hashlib.sha256(content).hexdigest())
            self._buffer = bytearray()


def _parts(section: Section) -> Iterator[Section]:
    """``section`` in pieces that fit into a chunk."""
    size = _MOST_DIGESTS * _PACKED_BYTES
    if len(section.packed) <= size and len(section.others) <= _MOST_DIGESTS // 8:
        yield section
        return
    for at in range(0, len(section.packed), size):
        yield _with(section, section.packed[at : at + size], ())
    for at in range(0, len(section.others), _MOST_DIGESTS // 8):
        yield _with(section, b"", section.others[at : at + _MOST_DIGESTS // 8])


def _with(section: Section, packed: bytes | bytearray, others: Iterable[Digest]) -> Section:
    return Section(
        section.kind,
        section.repository,
        section.tag,
        section.revision,
        bytes(packed),
        tuple(others),
        section.layout,
    )


def _encode(section: Section) -> bytes:
    assert len(section.packed) % _PACKED_BYTES == 0
    name = str(section.repository or "").encode("ascii")
    tag = str(section.tag or "").encode("ascii")
    revision = str(section.revision or "").encode("ascii")
    others = "\n".join(map(str, section.others)).encode("ascii")
    head = _SECTION.pack(
        _KIND_NUMBERS[section.kind],
        _LAYOUT_NUMBERS[section.layout],
        len(name),
        len(tag),
        len(revision),
        len(section.packed) // _PACKED_BYTES,
        len(others),
    )
    return b"".join((head, name, tag, revision, section.packed, others))


def _decode(content: bytes, path: str) -> Iterator[Section]:
    """The sections of a chunk. Raises `DamagedError` if it is in another form."""
    if not content.startswith(_MAGIC):
        raise _damaged(path)
    at = len(_MAGIC)
    try:
        while at < len(content):
            kind, layout, *sizes, packed, others = _SECTION.unpack_from(content, at)
            at += _SECTION.size
            fields = []
            for size in (*sizes, packed * _PACKED_BYTES, others):
                fields.append(content[at : at + size])
                at += size
            name, tag, revision, digests, texts = fields
            yield Section(
                _KINDS[kind],
                RepositoryName.parse(name.decode("ascii")) if name else None,
                Tag.parse(tag.decode("ascii")) if tag else None,
                Digest.parse(revision.decode("ascii")) if revision else None,
                digests,
                tuple(Digest.parse(each) for each in texts.decode("ascii").split("\n") if each),
                _LAYOUTS[layout],
            )
    except (struct.error, KeyError, ValueError, RegctlError) as error:
        raise _damaged(path) from error
    if at != len(content):
        raise _damaged(path)
