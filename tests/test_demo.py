"""The demo of the README: it runs, and the README shows what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def _without_digests(text: str) -> str:
    """``text`` with every digest replaced: those of compressed files vary with gzip's version."""
    return re.sub(r"sha256:[0-9a-f]{64}", "sha256:...", text)


def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", str(ROOT / "examples" / "demo.sh")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": path, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "LANG": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stdout
    readme = (ROOT / "README.md").read_text()
    match = re.search(r"<!-- demo:begin -->\n```console\n(.*?)```\n", readme, re.DOTALL)
    assert match is not None
    printed = _without_digests(done.stdout)
    for part in _without_digests(match[1]).split("[...]"):
        assert part.strip() in printed
    assert list(tmp_path.iterdir()) == []
