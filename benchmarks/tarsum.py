"""TarSum against a loop over the standard library's tarfile, and against openssl."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.measuring import Line, note, run, take_turns
from regctl.digest.tarsum import TarSum

FILES, FILE_SIZE = 30_000, 16_700
BIG = 2 * 10**9
#: The loop may take this many times as long as TarSum, for headers of each format.
FORMATS = {"GNU headers": (tarfile.GNU_FORMAT, 1.7), "PAX headers": (tarfile.PAX_FORMAT, 2.2)}
OPENSSL_LIMIT = 1.1
LOOP, OPENSSL, TARSUM = "tarfile loop", "openssl dgst", "TarSum"
_BLOCK = 1 << 20


def benchmark(directory: Path, rounds: int, big: int = BIG) -> Iterator[Line]:
    """The lines for an archive of many files in each format, and for one of a single file."""
    for name, (form, factor) in FORMATS.items():
        note(f"tarsum: {name}, {rounds} rounds")
        path = directory / "many.tar"
        write_archive(path, form, FILES, FILE_SIZE)
        contestants = {LOOP: partial(loop, path), TARSUM: partial(tarsum, path)}
        samples = take_turns({each: partial(timed, do) for each, do in contestants.items()}, rounds)
        yield samples.compare(f"TarSum, {FILES} files, {name}", TARSUM, LOOP, 1 / factor)
        path.unlink()
    note(f"tarsum: one file of {big} bytes, {rounds} rounds")
    path = directory / "big.tar"
    write_archive(path, tarfile.GNU_FORMAT, 1, big)
    samples = take_turns(
        {OPENSSL: partial(openssl, path), TARSUM: partial(timed, partial(tarsum, path))}, rounds
    )
    yield samples.compare(f"TarSum, one file of {big} bytes", TARSUM, OPENSSL, OPENSSL_LIMIT)
    path.unlink()


def write_archive(path: Path, form: int, files: int, size: int) -> None:
    """Write ``files`` files of ``size`` bytes; in PAX format each has an extended header."""
    block = os.urandom(_BLOCK)
    with tarfile.open(path, "w", format=form) as archive:
        for number in range(files):
            member = tarfile.TarInfo(f"usr/lib/package{number % 100}/module_{number}.py")
            member.size, member.mtime = size, 1_400_000_000 + number
            if form == tarfile.PAX_FORMAT:
                member.pax_headers = {"mtime": f"{member.mtime}.25"}
            archive.addfile(member, _Repeated(block))


class _Repeated(io.RawIOBase):
    """An endless file of one block again and again."""

    def __init__(self, block: bytes) -> None:
        self._block = block

    def read(self, size: int = -1) -> bytes:
        return self._block[:size]


def timed(work: Callable[[], object]) -> float:
    """The seconds that ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def tarsum(path: Path) -> str:
    """The archive's TarSum."""
    result = TarSum("v1")
    buffer = bytearray(_BLOCK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            result.update(view[:count])
    return result.digest().hex


def loop(path: Path) -> str:
    """What comes near it with `tarfile`: a hash of a text and the content for each member."""
    sums = []
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            text = (
                f"name{member.name}mode{member.mode}uid{member.uid}gid{member.gid}"
                f"size{member.size}typeflag{member.type!r}linkname{member.linkname}"
                f"uname{member.uname}gname{member.gname}"
                f"devmajor{member.devmajor}devminor{member.devminor}"
            )
            digest = hashlib.sha256(text.encode())
            content = archive.extractfile(member)
            while content is not None and (piece := content.read(_BLOCK)):
                digest.update(piece)
            sums.append(digest.hexdigest())
    return hashlib.sha256("".join(sorted(sums)).encode()).hexdigest()


def openssl(path: Path) -> float:
    """The seconds that openssl takes for the plain SHA-256 of the file."""
    return run(["openssl", "dgst", "-sha256", str(path)], os.environ).seconds
