"""``python -m benchmarks``: everything side by side; exit code 1 if a limit does not hold."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    layers,
    listing,
    resuming,
    smallreads,
    startup,
    tarsum,
    transfer_s3,
    verify,
)
from benchmarks.measuring import Line, note, table
from benchmarks.program import TREE, install

RESULTS = TREE / "benchmarks" / "results.md"
PROGRAMS = ("docker-registry", "skopeo", "openssl")
PARTS = ("startup", "layers", "resuming", "tarsum", "verify", "listing", "transfer", "smallreads")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks and print their table; the exit code."""
    options = _parser().parse_args(arguments)
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        print(f"missing: {', '.join(missing)}; run 'make servers'", file=sys.stderr)
        return 2
    # Terminated, it still stops its servers and removes its files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="regctl-bench-", dir=options.directory) as directory:
        busy = os.getloadavg()[0]
        note(f"load average {busy:.1f} on {os.cpu_count()} processors: what else runs here counts")
        lines = _measure(Path(directory), options.size, options.rounds, options.only or PARTS)
    text = table(lines)
    print(text)
    if options.write:
        RESULTS.write_text(_page(text, options.size, options.rounds))
    return 0 if all(line.passes for line in lines) else 1


def _measure(directory: Path, size: int, rounds: int, parts: Sequence[str]) -> list[Line]:
    lines: list[Line] = []
    program = install(directory)
    if "startup" in parts:
        lines += startup.benchmark(program, rounds)
    if {"layers", "resuming", "transfer"} & set(parts):
        note(f"writing a layer of {size} bytes")
        layer = layers.Layer(directory / "layer", size)
        if "layers" in parts:
            lines += layers.benchmark(directory, program, layer, rounds)
        if "resuming" in parts:
            lines += resuming.benchmark(directory, program, layer, rounds)
        if "transfer" in parts:
            lines += transfer_s3.benchmark(directory, program, layer, rounds)
    if "tarsum" in parts:
        lines += tarsum.benchmark(directory, rounds)
    if "verify" in parts:
        lines += verify.benchmark(directory, program, rounds)
    if "listing" in parts:
        lines += listing.benchmark(directory, rounds)
    if "smallreads" in parts:
        lines += smallreads.benchmark(directory, rounds)
    return lines


def _page(text: str, size: int, rounds: int) -> str:
    return (
        "# Benchmarks\n\n"
        f"Medians of {rounds} rounds in turn, a layer of {size} random bytes, Python "
        f"{platform.python_version()}; written by `python -m benchmarks --write`.\n\n{text}\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", type=_size, default=10**9, help="the layer's bytes (1G, 64M)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is run (7)")
    parser.add_argument("--directory", help="where to work, on a local disk")
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="a part of it; may be repeated"
    )
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} as well")
    return parser


def _size(text: str) -> int:
    units = {"K": 10**3, "M": 10**6, "G": 10**9}
    number, factor = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    size = int(float(number) * factor)
    if size <= 0:
        raise ValueError(text)
    return size


if __name__ == "__main__":
    sys.exit(main())
