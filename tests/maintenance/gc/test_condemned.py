"""Lists of what was condemned: whole or no lists, compact, and only used once they are settled."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.errors import DamagedError, PathNotFoundError
from regctl.layout import Layout, RepositoryName, Tag, own
from regctl.maintenance.gc.condemned import (
    CHUNK_BYTES,
    Section,
    find_lists,
    remove_list,
    remove_lists,
    sections_of,
    settled_list,
    write_list,
)
from regctl.maintenance.gc.runs import RunId
from regctl.maintenance.gc.things import Thing, ThingKind
from tests.maintenance.gc.storing import LATER, RUN, Storages, kill_at_every_step
from tests.registry.storages import NOW, digest_of, memory

NAME, OTHER = RepositoryName.parse("team/app"), RepositoryName.parse("a")
TAG = Tag.parse("v1")
ONE, TWO = digest_of(b"one"), digest_of(b"two")
LONG = digest_of(b"one", "sha512")
TARSUM = Digest.parse(f"tarsum.v1+sha256:{ONE.hex}")


def _packed(*digests: Digest) -> bytes:
    return b"".join(bytes.fromhex(each.hex) for each in digests)


SECTIONS = [
    Section(ThingKind.LAYER_LINK, NAME, packed=_packed(ONE, TWO), others=(LONG, TARSUM)),
    Section(ThingKind.LAYER_LINK, OTHER, others=(TARSUM,), layout=Layout.Y2015),
    Section(ThingKind.INDEX_ENTRY, NAME, TAG, packed=_packed(TWO)),
    Section(ThingKind.TAG, NAME, TAG),
    Section(ThingKind.REVISION, NAME, packed=_packed(TWO)),
    Section(ThingKind.SIGNATURE_LINK, NAME, revision=TWO, packed=_packed(ONE)),
    Section(ThingKind.BLOB, packed=_packed(ONE)),
]


def _write(
    driver: StorageDriver, run: RunId = RUN, at: float = NOW, fingerprint: str = "blobs"
) -> None:
    write_list(driver, run, SECTIONS, at=at, fingerprint=fingerprint, version="0.1.0")


def _things(sections: list[Section]) -> list[Thing]:
    return [thing for section in sections for thing in section.things()]


def test_a_list_is_read_as_it_was_written(storage: StorageDriver) -> None:
    _write(storage)
    (found,), broken = find_lists(storage)
    assert broken == []
    assert list(found.sections(storage)) == SECTIONS
    assert (found.run, found.at, found.fingerprint, found.version) == (RUN, NOW, "blobs", "0.1.0")
    assert found.counts == {
        ThingKind.LAYER_LINK: 5,
        ThingKind.INDEX_ENTRY: 1,
        ThingKind.TAG: 1,
        ThingKind.REVISION: 1,
        ThingKind.SIGNATURE_LINK: 1,
        ThingKind.BLOB: 1,
    }
    assert len(_things(SECTIONS)) == sum(found.counts.values())


def test_things_become_sections_and_things_again() -> None:
    assert list(sections_of(_things(SECTIONS))) == SECTIONS


_DIGESTS = st.builds(
    digest_of, st.binary(max_size=3), st.sampled_from(["sha256", "sha256", "sha512", "sha384"])
)
_SECTIONS = st.one_of(
    st.builds(Section, st.just(ThingKind.BLOB), others=st.lists(_DIGESTS, max_size=3).map(tuple)),
    st.builds(
        lambda name, digests: Section(ThingKind.LAYER_LINK, name, packed=_packed(*digests)),
        st.sampled_from([NAME, OTHER]),
        st.lists(st.builds(digest_of, st.binary(max_size=3)), max_size=9),
    ),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(_SECTIONS, max_size=8))
def test_any_list_comes_back(sections: list[Section]) -> None:
    driver = memory()
    written = write_list(driver, RUN, sections, at=NOW, fingerprint="", version="")
    assert _things(list(written.sections(driver))) == _things(sections)


def test_a_large_list_takes_little_more_than_its_digests() -> None:
    driver = memory()
    count = 100_000
    packed = b"".join(
        hashlib.sha256(bytes([n & 255, n >> 8 & 255, n >> 16])).digest() for n in range(count)
    )
    section = Section(ThingKind.BLOB, packed=packed)
    written = write_list(driver, RUN, [section], at=NOW, fingerprint="", version="")
    assert written.counts == {ThingKind.BLOB: count}
    assert b"".join(each.packed for each in written.sections(driver)) == packed
    chunks = list(driver.walk(own.condemned(str(RUN))))
    assert len(chunks) == 5
    assert max(each.size for each in chunks) <= 2 * CHUNK_BYTES
    assert sum(each.size for each in chunks) < 32 * count + 4096


def test_only_a_settled_list_of_the_same_flags_is_used(storage: StorageDriver) -> None:
    assert settled_list(storage, NOW, 0) is None
    _write(storage, RUN, NOW - 4000)
    _write(storage, LATER, NOW - 1000, "untagged")
    newest = settled_list(storage, NOW, 1000)
    assert newest is not None
    assert newest.run == LATER
    older = settled_list(storage, NOW, 1001)
    assert older is not None
    assert older.run == RUN
    same = settled_list(storage, NOW, 0, "blobs")
    assert same is not None
    assert same.run == RUN
    assert settled_list(storage, NOW - 4001, 0) is None, "what comes from the future is not settled"
    assert settled_list(storage, NOW, 4001) is None


def test_old_lists_are_removed(storage: StorageDriver) -> None:
    _write(storage, RUN)
    _write(storage, LATER)
    remove_lists(storage, keep=[LATER])
    assert [each.run for each in find_lists(storage)[0]] == [LATER]
    remove_lists(storage)
    remove_list(storage, RUN)
    assert find_lists(storage) == ([], [])
    assert not [each for each in storage.walk("/") if "condemned/" in each.path]


@pytest.mark.parametrize("harm", ["cut", "gone", "changed", "other"])
def test_a_chunk_that_is_not_what_was_written_gives_nothing(
    storage: StorageDriver, harm: str
) -> None:
    _write(storage)
    path = own.condemned_chunk(str(RUN), 0)
    content = bytearray(storage.get(path, 1 << 20))
    content[-1] ^= 1
    if harm == "gone":
        storage.delete(path)
    else:
        new = {"cut": content[:-9], "changed": content, "other": b"regctl"}[harm]
        storage.put(path, bytes(new))
    (found,), _ = find_lists(storage)
    with pytest.raises(DamagedError, match="not what was written"):
        next(found.sections(storage))


@pytest.mark.parametrize("harm", ["cut", "gone", "changed", "format"])
def test_a_list_without_a_whole_header_is_none(storage: StorageDriver, harm: str) -> None:
    _write(storage)
    path = own.condemned_header(str(RUN))
    content = storage.get(path, 1 << 20)
    if harm == "gone":
        storage.delete(path)
    else:
        new = {
            "cut": content[:-9],
            "changed": content.replace(b"0.1.0", b"0.1.1"),
            "format": content.replace(b'\\"format\\": 1', b'\\"format\\": 2'),
        }[harm]
        assert new != content
        storage.put(path, new)
    assert find_lists(storage) == ([], [RUN])
    assert settled_list(storage, NOW, 0) is None
    remove_lists(storage)
    assert find_lists(storage) == ([], [])


def test_a_kill_leaves_a_whole_list_or_none(storages: Storages) -> None:
    def job(driver: StorageDriver) -> None:
        _write(driver, LATER, NOW)
        remove_lists(driver, keep=[LATER])

    def look(driver: StorageDriver) -> None:
        for each in find_lists(driver)[0]:
            assert list(each.sections(driver)) == SECTIONS
        assert settled_list(driver, NOW, 0) is not None

    def final(driver: StorageDriver) -> list[str]:
        try:
            return sorted(entry.path for entry in driver.walk(own.CONDEMNED))
        except PathNotFoundError:
            return []

    kill_at_every_step(storages, lambda driver: _write(driver, RUN, NOW - 9), job, look, final)
