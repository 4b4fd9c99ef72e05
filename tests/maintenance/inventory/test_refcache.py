"""The cache of references: it remembers, and it is never in the way."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from regctl.digest import Digest
from regctl.maintenance.inventory import refcache
from regctl.maintenance.inventory.refcache import ReferenceCache
from regctl.maintenance.inventory.references import PARSER_VERSION

DAY = 86_400
A, B, C, D = (Digest.parse(f"sha256:{letter * 64}") for letter in "abcd")
SHA512 = Digest.parse("sha512:" + "5" * 128)


def filled(path: Path, *digests: Digest, at: float = 0) -> None:
    with ReferenceCache(str(path), now=lambda: at) as cache:
        cache.put_many((digest, str(digest).encode()) for digest in digests)
        assert cache.problem == ""


def has(path: Path, *digests: Digest, at: float = 0) -> set[Digest]:
    with ReferenceCache(str(path), now=lambda: at) as cache:
        found = cache.get_many(digests)
        assert cache.problem == ""
    assert all(record == str(digest).encode() for digest, record in found.items())
    return set(found)


def test_it_remembers_from_run_to_run(tmp_path: Path) -> None:
    path = tmp_path / "one" / "two" / "references"
    filled(path, A, SHA512)
    assert has(path, A, B, SHA512) == {A, SHA512}


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        filled(tmp_path / "one" / "references", A)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "one" / "references").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o700
    assert os.listdir(tmp_path / "one") == ["references"]


def test_without_a_path_it_remembers_while_it_is_open() -> None:
    with ReferenceCache(None) as cache:
        cache.put_many([(A, b"x")])
        assert cache.get_many([A, B]) == {A: b"x"}
    assert cache.get_many([A]) == {}
    cache.put_many([(A, b"x")])
    assert cache.problem == ""


def test_another_version_of_the_parser_sees_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "references"
    filled(path, A)
    monkeypatch.setattr(refcache, "PARSER_VERSION", PARSER_VERSION + 1)
    assert has(path, A) == set()
    filled(path, B)
    monkeypatch.undo()
    assert has(path, A, B) == {A}


def test_many_are_asked_for_at_once(tmp_path: Path) -> None:
    digests = [Digest.parse(f"sha256:{number:064x}") for number in range(1200)]
    filled(tmp_path / "references", *digests)
    assert has(tmp_path / "references", *digests, A) == set(digests)


def test_what_is_not_asked_for_goes_in_time(tmp_path: Path) -> None:
    path = tmp_path / "references"
    filled(path, A, B)
    assert has(path, A, at=100 * DAY) == {A}
    assert has(path, at=190 * DAY) == set()
    assert has(path, A, B, at=190 * DAY) == {A}


def test_the_least_lately_used_go_when_it_is_too_much(tmp_path: Path) -> None:
    path = tmp_path / "references"
    filled(path, A)
    filled(path, B, at=10)
    with ReferenceCache(str(path), now=lambda: 20, max_records=2) as cache:
        cache.put_many([(C, str(C).encode())])
    assert has(path, A, B, C) == {B, C}


def expect_useless(path: Path, *words: str) -> None:
    with ReferenceCache(str(path), busy_seconds=0) as cache:
        cache.put_many([(A, b"x")])
        assert cache.get_many([A]) == {}
    assert str(path) in cache.problem
    for word in words:
        assert word in cache.problem


def test_a_damaged_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "references"
    path.write_bytes(b"no database at all" * 100)
    expect_useless(path, "not a database")
    assert path.read_bytes() == b"no database at all" * 100


@pytest.mark.parametrize("at", [1, 3])
def test_a_file_that_was_damaged_within_is_left_alone(tmp_path: Path, at: int) -> None:
    path = tmp_path / "references"
    filled(path, *(Digest.parse(f"sha256:{number:064x}") for number in range(2000)))
    content = bytearray(path.read_bytes())
    content[4096 * at :] = b"\xff" * (len(content) - 4096 * at)
    path.write_bytes(content)
    with ReferenceCache(str(path)) as cache:
        digests = [Digest.parse(f"sha256:{number:064x}") for number in range(2000)]
        found = cache.get_many(digests)
    assert all(record == str(digest).encode() for digest, record in found.items())
    assert "malformed" in cache.problem


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "references"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE mine (a)")
    database.commit()
    database.close()
    content = path.read_bytes()
    expect_useless(path, "another program")
    assert path.read_bytes() == content


def test_a_locked_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "references"
    filled(path, A)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        expect_useless(path, "locked")
    finally:
        other.close()
    assert has(path, A) == {A}


def test_a_file_that_is_being_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "references"
    filled(path, A)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        with ReferenceCache(str(path), busy_seconds=0, now=lambda: 0) as cache:
            other.execute("BEGIN IMMEDIATE")
            assert set(cache.get_many([A])) == {A}
            cache.put_many([(B, b"x")])
            assert "locked" in cache.problem
    finally:
        other.close()


def test_where_nothing_can_be_made_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    expect_useless(tmp_path / "file" / "references")
    (tmp_path / "directory").mkdir()
    expect_useless(tmp_path / "directory")
