"""A slow, obvious scan of a storage in the current layout, for tests of what is done with one."""

from __future__ import annotations

from regctl.digest import Digest
from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import RegctlError
from regctl.layout import PathMapper, RepositoryName, Tag, specs
from regctl.maintenance.inventory.content import Inventory, RepositoryContent, TagContent
from regctl.maintenance.inventory.table import DigestTable, NumberSet


def scan_slowly(driver: StorageDriver) -> Inventory:
    """What ``driver`` holds, from every file of it, each link read."""
    inventory = Inventory(DigestTable(), NumberSet(), {}, [], driver.now())
    mapper = PathMapper()
    found = [
        (mapper.parse_file(entry.path), entry.path)
        for entry in driver.walk("/")
        if entry.kind is Kind.FILE
    ]
    for spec, path in sorted(found, key=lambda each: each[1]):
        if isinstance(spec, specs.BlobData):
            inventory.blobs.add(inventory.table.number(spec.digest))
        elif not isinstance(spec, specs.Foreign):
            _add_link(inventory, driver, spec, path)
    return inventory


def _add_link(inventory: Inventory, driver: StorageDriver, spec: specs.Spec, path: str) -> None:
    number = inventory.table.number
    if isinstance(spec, specs.LayerLink):
        content = _content(inventory, spec.name)
        content.layers.append(number(spec.digest))
        if (says := _link(driver, path)) != spec.digest:
            content.layer_aliases[number(spec.digest)] = None if says is None else number(says)
    elif isinstance(spec, specs.RevisionLink):
        content = _content(inventory, spec.name)
        content.revisions.append(number(spec.revision))
        if (says := _link(driver, path)) != spec.revision:
            content.revision_aliases[number(spec.revision)] = None if says is None else number(says)
    elif isinstance(spec, specs.SignatureLink):
        signatures = _content(inventory, spec.name).signatures
        signatures.setdefault(number(spec.revision), type(_tag(inventory, None).index)("I"))
        signatures[number(spec.revision)].append(number(spec.signature))
    elif isinstance(spec, specs.TagCurrentLink):
        says = _link(driver, path)
        tag = _tag(inventory, (spec.name, spec.tag))
        tag.current, tag.problem = (None, "malformed") if says is None else (number(says), "")
    elif isinstance(spec, specs.TagIndexEntryLink):
        _tag(inventory, (spec.name, spec.tag)).index.append(number(spec.revision))


def _content(inventory: Inventory, name: RepositoryName) -> RepositoryContent:
    return inventory.repositories.setdefault(name, RepositoryContent(name))


def _tag(inventory: Inventory, of: tuple[RepositoryName, Tag] | None) -> TagContent:
    absent = TagContent(None, problem="absent")
    return absent if of is None else _content(inventory, of[0]).tags.setdefault(of[1], absent)


def _link(driver: StorageDriver, path: str) -> Digest | None:
    try:
        return Digest.parse(driver.get(path, 200).decode("ascii"))
    except (UnicodeDecodeError, RegctlError):
        return None
