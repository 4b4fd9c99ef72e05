"""Putting one thing back from the quarantine: verified, never over something newer, as of now."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from regctl.digest import Digest, Verifier
from regctl.drivers.base import Entry, StorageDriver
from regctl.drivers.cells import ConditionalWritesIgnoredError
from regctl.errors import DamagedError, PathExistsError, PathNotFoundError, StorageError
from regctl.layout import own, specs
from regctl.maintenance.gc.runs import RunId
from regctl.maintenance.gc.things import Thing, ThingKind, path_of, spec_at
from regctl.registry.links import read_link

_CHUNK = 1 << 20
_LINK_BYTES = 160


def _drop(_piece: memoryview) -> None:
    """Nobody wants it."""


class Returned(Enum):
    """What became of a thing in the quarantine."""

    RESTORED = "restored"
    #: The same is in its place already; what was in the quarantine is gone.
    THERE = "there"
    #: Something else is in its place, and stays; so does what is in the quarantine.
    NEWER = "newer"


class DanglingError(StorageError):
    """A link is not put back, because what it leads to is not there."""

    code = "dangling"


def put_back(driver: StorageDriver, run: RunId, thing: Thing) -> Returned:
    """Put ``thing`` back to its place, as if it were written now.

    A kill leaves it in the quarantine, or in both places. Raises `PathNotFoundError` if the
    quarantine of ``run`` has no such thing; `DamagedError` if its bytes are not those of its digest
    or its link is none, and `DanglingError` if a link would lead to nothing: it stays where it is
    then.
    """
    if thing.kind is ThingKind.BLOB:
        return _put_blob(driver, run, thing)
    return _put_link(driver, run, thing)


def _put_blob(driver: StorageDriver, run: RunId, thing: Thing) -> Returned:
    source = own.quarantined(str(run), thing.path)
    size = driver.stat(source, files_only=True).size
    there = _file(driver, thing.path)
    if there is not None:
        if there.size != size:
            return Returned.NEWER
        driver.delete(source)
        return Returned.THERE
    assert thing.digest is not None
    if driver.hides_unfinished:
        # A copy by the server: it has the time of now.
        _verify(driver, source, thing.digest)
        driver.move(source, thing.path)
        return Returned.RESTORED
    # A rename would keep the old time, and the blob be collected again at once. What grows in place
    # is seen half; so the copy grows aside.
    aside = own.restoring(str(run), thing.path)
    with driver.writer(aside) as writer:
        try:
            _verify(driver, source, thing.digest, writer.write)
        except BaseException:
            writer.cancel()
            raise
        writer.commit()
        driver.move(aside, thing.path)
    driver.delete(source)
    return Returned.RESTORED


def _verify(
    driver: StorageDriver, path: str, digest: Digest, take: Callable[[memoryview], None] = _drop
) -> None:
    """Give all of the file to ``take``; raise `DamagedError` unless it has ``digest``."""
    verifier = Verifier(digest)
    view = memoryview(bytearray(_CHUNK))
    with driver.read(path) as reader:
        while count := reader.readinto(view):
            verifier.update(view[:count])
            take(view[:count])
    verifier.check_stored(f"the file {path}")


def _put_link(driver: StorageDriver, run: RunId, thing: Thing) -> Returned:
    source = own.quarantined(str(run), thing.path)
    content = driver.get(source, _LINK_BYTES)
    _require_end(driver, thing, read_link(driver, source))
    try:
        driver.put(thing.path, content, if_absent=True)
    except PathExistsError:
        return _already(driver, source, thing, content)
    except ConditionalWritesIgnoredError:
        if _file(driver, thing.path) is not None:
            return _already(driver, source, thing, content)
        if thing.kind is ThingKind.TAG:
            # Between the look and the write somebody could have given the tag to something else.
            raise
        driver.put(thing.path, content)
    driver.delete(source)
    return Returned.RESTORED


def _already(driver: StorageDriver, source: str, thing: Thing, content: bytes) -> Returned:
    try:
        there = driver.get(thing.path, _LINK_BYTES)
    except (PathNotFoundError, DamagedError):
        return Returned.NEWER
    if there != content:
        return Returned.NEWER
    # Written once more: now it is as young as what is put back with it.
    if thing.kind is not ThingKind.TAG:
        driver.put(thing.path, content)
    driver.delete(source)
    return Returned.THERE


def _require_end(driver: StorageDriver, thing: Thing, digest: Digest) -> None:
    """Raise `DanglingError` unless what a link to ``digest`` leads to is there."""
    end: specs.Spec = specs.BlobData(digest)
    spec, layout = spec_at(thing.path)
    if isinstance(spec, specs.TagCurrentLink | specs.TagIndexEntryLink):
        end = specs.RevisionLink(spec.name, digest)
    if _file(driver, path_of(end, layout)) is None:
        raise DanglingError(
            f"{thing.path} is not put back: it leads to {digest}, which is not there",
            hint="it may be in the quarantine of another run",
        )


def _file(driver: StorageDriver, path: str) -> Entry | None:
    try:
        return driver.stat(path, files_only=True)
    except PathNotFoundError:
        return None
