"""A slow and obvious scan, and inventories in a form in which they can be compared."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from regctl.digest import Digest
from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import RegctlError
from regctl.layout import Layout, PathMapper, specs
from regctl.maintenance.inventory.content import Inventory, Oddity, RepositoryContent

_ABSENT = "absent"


@dataclass
class PlainTag:
    current: Digest | None = None
    index: set[Digest] = field(default_factory=set)
    problem: str = _ABSENT


@dataclass
class PlainRepository:
    layers: set[Digest] = field(default_factory=set)
    revisions: set[Digest] = field(default_factory=set)
    aliases: set[tuple[str, Digest, Digest | None]] = field(default_factory=set)
    signatures: set[tuple[Digest, Digest]] = field(default_factory=set)
    tags: dict[str, PlainTag] = field(default_factory=dict)
    uploads: set[str] = field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        return self == PlainRepository()


@dataclass
class Plain:
    """What a storage holds. Repositories without anything in them are left out, and so are tags
    without links: object stores have none."""

    blobs: set[Digest] = field(default_factory=set)
    repositories: dict[str, PlainRepository] = field(default_factory=dict)
    oddities: set[tuple[Oddity, str]] = field(default_factory=set)

    def without_indexes(self) -> Plain:
        """Without what only a thorough scan tells: the index of tags that say what they name."""
        repositories = {
            name: replace(
                found,
                tags={
                    tag: replace(each, index=set() if each.current else each.index)
                    for tag, each in found.tags.items()
                },
            )
            for name, found in self.repositories.items()
        }
        return replace(self, repositories=repositories, oddities=set())

    def on_disk(self) -> Plain:
        """Without what is not looked at on disks: files beside links that are not a revision's or
        a tag's, and beside the data of blobs."""
        mappers = [PathMapper(layout) for layout in Layout]
        hidden = (
            specs.LayerDirectory,
            specs.BlobDirectory,
            specs.SignatureDirectory,
            specs.TagIndexEntryDirectory,
        )

        def is_seen(path: str) -> bool:
            above = path.rpartition("/")[0]
            return not any(
                isinstance(spec, hidden)
                for mapper in mappers
                for spec in mapper.parse_directory(above)
            )

        return replace(self, oddities={each for each in self.oddities if is_seen(each[1])})


def scan_plainly(driver: StorageDriver) -> Plain:
    """What ``driver`` holds, file by file, each link read."""
    plain = Plain()
    for entry in driver.walk("/", stat=False):
        if not entry.path.startswith("/docker/registry/v2/"):
            continue
        if entry.kind is Kind.FILE:
            _add_file(plain, driver, entry.path)
        elif entry.kind is Kind.DIRECTORY:
            _add_directory(plain, entry.path)
    return plain


def _add_directory(plain: Plain, path: str) -> None:
    for layout in Layout:
        mapper = PathMapper(layout)
        for spec in mapper.parse_directory(path):
            if isinstance(spec, specs.UploadDirectory) and layout is Layout.CURRENT:
                _repository(plain, spec.name.value).uploads.add(spec.upload.value)
            if isinstance(spec, specs.BlobDirectory):
                # By its name alone.
                plain.blobs.add(spec.digest)
    unknown = _topmost_unknown(path)
    if unknown == path:
        plain.oddities.add((Oddity.UNKNOWN_DIRECTORY, path))


def _topmost_unknown(path: str) -> str | None:
    parts = path.split("/")
    for end in range(2, len(parts) + 1):
        above = "/".join(parts[:end])
        found = [each for layout in Layout for each in PathMapper(layout).parse_directory(above)]
        if all(isinstance(each, specs.Foreign) for each in found):
            return above
    return None


def _repository(plain: Plain, name: str) -> PlainRepository:
    return plain.repositories.setdefault(name, PlainRepository())


def _add_file(plain: Plain, driver: StorageDriver, path: str) -> None:
    parsed = [PathMapper(layout).parse_file(path) for layout in Layout]
    known = [each for each in parsed if not isinstance(each, specs.Foreign)]
    if not known:
        _add_odd_file(plain, path)
        return
    spec = known[0]
    # In the layout of 2015 the size of a link is not looked at, and each is read.
    is_believed = not isinstance(parsed[0], specs.Foreign)
    if isinstance(spec, specs.BlobData):
        plain.blobs.add(spec.digest)
        return
    name = getattr(spec, "name", None)
    found = _repository(plain, str(name))
    if isinstance(spec, specs.LayerLink | specs.RevisionLink):
        kind = "layer" if isinstance(spec, specs.LayerLink) else "revision"
        named = spec.digest if isinstance(spec, specs.LayerLink) else spec.revision
        (found.layers if kind == "layer" else found.revisions).add(named)
        says = _said(driver, path, named, believe=is_believed)
        if says != named:
            found.aliases.add((kind, named, says))
    elif isinstance(spec, specs.SignatureLink):
        found.signatures.add((spec.revision, spec.signature))
        if (says := _said(driver, path, spec.signature, believe=is_believed)) is not None:
            found.signatures.add((spec.revision, says))
    elif isinstance(spec, specs.TagIndexEntryLink):
        tag = found.tags.setdefault(spec.tag.value, PlainTag())
        tag.index.add(spec.revision)
        if (says := _said(driver, path, spec.revision, believe=is_believed)) is not None:
            tag.index.add(says)
    elif isinstance(spec, specs.TagCurrentLink):
        tag = found.tags.setdefault(spec.tag.value, PlainTag())
        tag.current = _digest(driver.get(path, 1 << 20))
        tag.problem = "" if tag.current else "malformed" if driver.stat(path).size else "empty"
    elif isinstance(spec, specs.UploadData | specs.UploadStartedAt | specs.HashState):
        found.uploads.add(spec.upload.value)


def _add_odd_file(plain: Plain, path: str) -> None:
    unknown = _topmost_unknown(path.rpartition("/")[0])
    if unknown is not None:
        plain.oddities.add((Oddity.UNKNOWN_DIRECTORY, unknown))
    elif (upload := _upload_of(path)) is not None:
        _repository(plain, upload.name.value).uploads.add(upload.upload.value)
    else:
        temporary = path.endswith(".tmp") and len(path.split(".")[-2]) == 36
        oddity = Oddity.TEMPORARY_FILE if temporary else Oddity.FOREIGN_FILE
        plain.oddities.add((oddity, path))


def _upload_of(path: str) -> specs.UploadDirectory | specs.HashStates | specs.HashStatesOf | None:
    """The directory of an upload that holds the file at ``path``, if one does."""
    found = PathMapper().parse_directory(path.rpartition("/")[0])[0]
    uploads = (specs.UploadDirectory, specs.HashStates, specs.HashStatesOf)
    return found if isinstance(found, uploads) else None


def _said(
    driver: StorageDriver, path: str, named: Digest, *, believe: bool = True
) -> Digest | None:
    content = driver.get(path, 1 << 20)
    if believe and named.algorithm == "sha256" and len(content) == 71:
        return named  # believed
    return _digest(content)


def _digest(content: bytes) -> Digest | None:
    try:
        return Digest.parse(content.decode("ascii"))
    except (UnicodeDecodeError, RegctlError):
        return None


def plain_of(inventory: Inventory) -> Plain:
    """What ``inventory`` says."""
    digest = inventory.table.digest
    plain = Plain({digest(each) for each in inventory.blobs}, oddities=set(inventory.oddities))
    assert len(plain.oddities) == len(inventory.oddities), "nothing is reported twice"
    for name, content in inventory.repositories.items():
        found = _plain_repository(inventory, content)
        if not found.is_empty:
            plain.repositories[name.value] = found
    return plain


def _plain_repository(inventory: Inventory, content: RepositoryContent) -> PlainRepository:
    digest = inventory.table.digest
    found = PlainRepository(
        layers={digest(each) for each in content.layers},
        revisions={digest(each) for each in content.revisions},
        uploads={each.value for each in content.uploads},
    )
    assert len(content.uploads) == len(found.uploads)
    for kind, aliases in (
        ("layer", content.layer_aliases),
        ("revision", content.revision_aliases),
    ):
        found.aliases |= {
            (kind, digest(path), None if says is None else digest(says))
            for path, says in aliases.items()
        }
    for revision, signatures in content.signatures.items():
        found.signatures |= {(digest(revision), digest(each)) for each in signatures}
    for tag, each in content.tags.items():
        current = None if each.current is None else digest(each.current)
        index = {digest(number) for number in each.index}
        if current is not None or index or each.problem != _ABSENT:
            found.tags[tag.value] = PlainTag(current, index, each.problem)
    return found
