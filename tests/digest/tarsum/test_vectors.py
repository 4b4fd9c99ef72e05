"""TarSums against those of the reference: what it accepted, what it refused, what it stored."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import pytest

from regctl.digest import Digest
from regctl.digest.tarsum import VERSIONS, InvalidArchiveError, TarSum

VECTORS = Path(__file__).parents[2] / "vectors" / "tarsum"


class Result(TypedDict):
    ok: bool
    tarsum: NotRequired[str]


class Vector(TypedDict):
    name: str
    file: str
    sha256: str
    seed2015: dict[str, Result]
    seed_registry_finish: str
    agree: bool


INDEX = cast(
    dict[str, list[Vector]], json.loads((VECTORS / "index.json").read_text(encoding="utf-8"))
)["vectors"]
every_vector = pytest.mark.parametrize("vector", INDEX, ids=[each["name"] for each in INDEX])


def read(vector: Vector) -> bytes:
    path = VECTORS / vector["file"]
    # A large archive of little content is kept compressed.
    packed = path.with_name(f"{path.name}.gz")
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    return data


def test_there_are_accepted_and_refused_ones() -> None:
    accepted = [each for each in INDEX if each["seed2015"]["v1"]["ok"]]
    assert len(INDEX) == 56
    assert len(accepted) == 49
    assert not all(each["agree"] for each in accepted)


@every_vector
@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_alone(vector: Vector, version: str) -> None:
    tarsum = TarSum(version)
    expected = vector["seed2015"][version]
    if expected["ok"]:
        tarsum.update(read(vector))
        assert str(tarsum.digest()) == expected["tarsum"]
        assert tarsum.accepts(Digest.parse(expected["tarsum"]))
    else:
        with pytest.raises(InvalidArchiveError, match=r"has no TarSum: entry [1-9]: "):
            finish(tarsum, read(vector))


@every_vector
@pytest.mark.parametrize("step", [1, 7, 511, 512, 513, 65536])
def test_all_versions_in_one_pass_in_small_steps(vector: Vector, step: int) -> None:
    data = read(vector)
    if step < 511:
        data = data[:50_000]
    assert answer(data, step) == answer(data, len(data) + 1)


def answer(data: bytes, step: int) -> list[str] | str:
    """All digests, or why there are none, of ``data`` in pieces of ``step`` bytes."""
    tarsum = TarSum(*VERSIONS)
    # One buffer for all, as programs read files: nothing of it may be kept.
    buffer = bytearray(step)
    try:
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            buffer[: len(piece)] = piece
            tarsum.update(memoryview(buffer)[: len(piece)])
            buffer[: len(piece)] = b"\xff" * len(piece)
        return [str(tarsum.digest(version)) for version in VERSIONS]
    except InvalidArchiveError as error:
        return str(error)


@every_vector
def test_what_the_registry_said_of_an_upload(vector: Vector) -> None:
    """The registry of 2015 read uploads with a reader that says "end" with the last bytes."""
    tarsum = TarSum(strict_end=True)
    status, _, digest = vector["seed_registry_finish"].partition(" ")
    if status == "ok":
        tarsum.update(read(vector))
        assert str(tarsum.digest()) == digest
    else:
        with pytest.raises(InvalidArchiveError):
            finish(tarsum, read(vector))


def finish(tarsum: TarSum, data: bytes) -> Digest:
    tarsum.update(data)
    return tarsum.digest()


@pytest.mark.parametrize("form", ["gzip", "bzip2", "xz"])
def test_compressed_input_is_told(form: str) -> None:
    vector = next(each for each in INDEX if each["name"] == f"compressed-{form}")
    with pytest.raises(InvalidArchiveError) as raised:
        finish(TarSum(), read(vector))
    assert raised.value.hint is not None
    assert form in raised.value.hint
