"""The resumable SHA-256 against states that Go and registries wrote, and against `hashlib`."""

from __future__ import annotations

import hashlib
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import TypedDict, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.digest import sha256
from regctl.digest.sha256 import (
    InvalidHashStateError,
    ResumableSHA256,
    is_available,
    is_native_state,
    parse_offset,
)
from regctl.digest.verifier import Hash, MultiHasher

VECTORS = Path(__file__).parent.parent / "vectors" / "hashstates"


class StateVector(TypedDict):
    data_hex: str
    offset: int
    prefix_sha256: str
    final_sha256: str
    state_hex: str
    resumable_gob_hex: str


class DecodeCase(TypedDict):
    name: str
    state_hex: str
    result: str
    sha256_after_rest: str | None


class DecodeCases(TypedDict):
    rest_hex: str
    cases: list[DecodeCase]


class StateVectors(TypedDict):
    vectors: list[StateVector]
    unmarshal: DecodeCases


class UploadVector(TypedDict):
    tar: str
    repository: str
    uuid: str
    data_sha256: str
    rest_hex: str
    full_sha256: str
    hashstates: dict[str, str]


class UploadVectors(TypedDict):
    uploads: list[UploadVector]


STATES = cast(StateVectors, json.loads((VECTORS / "states.json").read_text()))
UPLOADS = cast(UploadVectors, json.loads((VECTORS / "uploads.json").read_text()))["uploads"]


@pytest.fixture
def no_libcrypto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sha256, "_library", lambda: None)


def hashed(data: bytes) -> ResumableSHA256:
    result = ResumableSHA256()
    result.update(data)
    return result


def state_of(hash_: ResumableSHA256) -> bytes:
    state = hash_.state()
    assert state is not None
    return state


def test_it_is_available_here() -> None:
    """Without this the other tests could pass while nothing can be resumed in production."""
    assert is_available()


@pytest.mark.parametrize("vector", STATES["vectors"], ids=lambda v: f"offset-{v['offset']}")
def test_states_are_those_of_go(vector: StateVector) -> None:
    data, offset = bytes.fromhex(vector["data_hex"]), vector["offset"]
    first = hashed(data[:offset])
    assert state_of(first).hex() == vector["state_hex"]
    assert first.digest().hex() == vector["prefix_sha256"]
    restored = ResumableSHA256.restore(bytes.fromhex(vector["state_hex"]))
    assert restored.size == offset
    assert restored.digest().hex() == vector["prefix_sha256"]
    restored.update(data[offset:])
    assert restored.digest().hex() == vector["final_sha256"]
    assert restored.size == len(data)


@pytest.mark.parametrize("vector", STATES["vectors"], ids=lambda v: f"offset-{v['offset']}")
def test_states_of_old_registries_are_told_apart(vector: StateVector) -> None:
    assert is_native_state(bytes.fromhex(vector["state_hex"]))
    gob = bytes.fromhex(vector["resumable_gob_hex"])
    assert not is_native_state(gob)
    with pytest.raises(InvalidHashStateError):
        ResumableSHA256.restore(gob)


@pytest.mark.parametrize("case", STATES["unmarshal"]["cases"], ids=lambda c: str(c["name"]))
def test_states_are_taken_and_refused_as_by_go(case: DecodeCase) -> None:
    state = bytes.fromhex(case["state_hex"])
    assert is_native_state(state) == (case["result"] == "ok")
    if case["result"] != "ok":
        with pytest.raises(InvalidHashStateError) as caught:
            ResumableSHA256.restore(state)
        assert caught.value.exit_code == 5
        return
    restored = ResumableSHA256.restore(state)
    assert restored.size == int.from_bytes(state[-8:], "big")
    restored.update(bytes.fromhex(STATES["unmarshal"]["rest_hex"]))
    assert restored.digest().hex() == case["sha256_after_rest"]


def test_size_wraps_as_in_go() -> None:
    huge = next(c for c in STATES["unmarshal"]["cases"] if c["name"] == "length-huge")
    restored = ResumableSHA256.restore(bytes.fromhex(huge["state_hex"]))
    assert restored.size == 2**64 - 1
    restored.update(b"xyz")
    assert restored.size == 2
    assert state_of(restored)[-8:] == (2).to_bytes(8, "big")


@pytest.mark.parametrize("upload", UPLOADS, ids=lambda u: str(u["tar"]))
def test_uploads_of_registries_are_continued(upload: UploadVector) -> None:
    """Every state that 2.8.2 and 3.x left is the one made here, and leads to the layer's digest."""
    with tarfile.open(VECTORS / upload["tar"]) as archive:
        files = {
            member.name.partition(f"/_uploads/{upload['uuid']}/")[2]: file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }
    data, rest = files["data"], bytes.fromhex(upload["rest_hex"])
    states = {name: content for name, content in files.items() if name.startswith("hashstates/")}
    assert states == {name: bytes.fromhex(text) for name, text in upload["hashstates"].items()}
    for name, content in states.items():
        offset = parse_offset(name.rpartition("/")[2])
        assert offset is not None
        assert content == state_of(hashed(data[:offset]))
        restored = ResumableSHA256.restore(content)
        restored.update(data[offset:])
        assert f"sha256:{restored.digest().hex()}" == upload["data_sha256"]
        restored.update(rest)
        assert f"sha256:{restored.digest().hex()}" == upload["full_sha256"]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=4))
def test_any_split_with_any_restore_is_sha256(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    running = ResumableSHA256()
    for start, end in pairwise(edges):
        running.update(data[start:end])
        assert running.digest() == hashlib.sha256(data[:end]).digest()
        running = ResumableSHA256.restore(state_of(running))
        assert running.size == end
    assert state_of(running) == state_of(hashed(data))


DATA = bytes(range(256)) * 8


@pytest.mark.parametrize(
    "view",
    [
        DATA,
        bytearray(DATA),
        memoryview(DATA),
        memoryview(bytearray(DATA)),
        memoryview(DATA)[3:-5],
        memoryview(bytearray(DATA))[3:-5],
        memoryview(DATA)[::-1],
        memoryview(bytearray(DATA))[::3],
        memoryview(DATA).cast("I"),
        memoryview(bytearray(DATA)).cast("I")[1:],
        memoryview(memoryview(bytearray(DATA)).toreadonly()),
        b"",
        bytearray(),
        memoryview(b""),
    ],
)
def test_every_kind_of_buffer_is_taken_as_its_bytes(view: bytes | bytearray | memoryview) -> None:
    running = ResumableSHA256()
    running.update(view)
    assert running.digest() == hashlib.sha256(bytes(view)).digest()
    assert running.size == len(bytes(view))


def test_a_buffer_is_free_again_after_the_update() -> None:
    """A bytearray that stays exported cannot be resized: reused read buffers would fail."""
    data = bytearray(b"abc")
    ResumableSHA256().update(data)
    data.extend(b"d")
    assert data == b"abcd"


def test_a_copy_goes_its_own_way() -> None:
    first = hashed(b"abc")
    second = first.copy()
    second.update(b"d")
    assert first.digest() == hashlib.sha256(b"abc").digest()
    assert second.digest() == hashlib.sha256(b"abcd").digest()
    assert (first.size, second.size) == (3, 4)


def test_threads_may_share_a_hash() -> None:
    shared, piece = ResumableSHA256(), b"x" * 100_001
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(shared.update, piece) for _ in range(32)]:
            done.result()
    assert shared.size == 32 * len(piece)
    assert shared.digest() == hashlib.sha256(piece * 32).digest()


def test_it_is_a_hash_for_a_multi_hasher() -> None:
    hashes = MultiHasher(["sha256", "sha512"])
    resumable: Hash = ResumableSHA256()
    hashes.replace("sha256", resumable)
    hashes.update(b"abc")
    assert hashes.digest("sha256").hex == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.usefixtures("no_libcrypto")
def test_without_libcrypto_it_hashes_and_shows_no_state() -> None:
    """Some builds have no low-level functions: an upload there must work, if not resumably."""
    assert not is_available()
    running = hashed(b"abc")
    twin = running.copy()
    twin.update(b"d")
    assert running.state() is None
    assert running.digest() == hashlib.sha256(b"abc").digest()
    assert twin.digest() == hashlib.sha256(b"abcd").digest()
    assert (running.size, twin.size) == (3, 4)


@pytest.mark.usefixtures("no_libcrypto")
def test_without_libcrypto_nothing_is_restored() -> None:
    state = bytes.fromhex(STATES["vectors"][1]["state_hex"])
    with pytest.raises(InvalidHashStateError, match="libcrypto"):
        ResumableSHA256.restore(state)


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("0", 0),
        ("7", 7),
        ("135537", 135537),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("99999999999999999999", None),
        ("", None),
        ("00", None),
        ("01", None),
        ("+1", None),
        ("-1", None),
        ("1 ", None),
        ("1\n", None),
        ("1_0", None),
        ("0x1", None),
        ("\u0661", None),
        ("link", None),
    ],
)
def test_offsets_are_canonical(name: str, offset: int | None) -> None:
    assert parse_offset(name) == offset
