"""The regctl that is measured: a wheel of this tree in a virtual environment of its own."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import note
from tests.servers.processes import environment

TREE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Program:
    """An installed regctl, its Python, and the environment that both run in."""

    regctl: Path
    python: Path
    environment: dict[str, str]

    def command(self, root: Path, *arguments: str) -> list[str]:
        """A command line for the storage ``root``."""
        return [str(self.regctl), "--storage", str(root), *arguments]


def install(directory: Path) -> Program:
    """Build a wheel and install it below ``directory``.

    An editable install would add its finder to every start. What regctl depends on is taken from
    the packages of this Python, so that nothing but the wheel is installed.
    """
    note("installing: a wheel in a fresh virtual environment")
    wheels, home, source = directory / "wheels", directory / "venv", directory / "source"
    # A build leaves its directory beside what it builds, and takes up what lies there.
    shutil.copytree(
        TREE / "regctl", source / "regctl", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TREE / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", wheels, source], check=True)
    venv.create(home, with_pip=False)
    (wheel,) = wheels.glob("*.whl")
    python = home / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    # Lines of a .pth file are added to the path; those of the .pth files found there are not.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    program = Program(home / "bin" / "regctl", python, environment(directory / "home"))
    _require_own(program)
    return program


def _require_own(program: Program) -> None:
    """Make sure that the installed files are run, not those of this tree."""
    said = subprocess.run(
        [program.python, "-c", "import regctl; print(regctl.__file__)"],
        env=program.environment,
        cwd=program.regctl.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    if not Path(said.stdout).is_relative_to(program.regctl.parent.parent):
        raise RuntimeError(f"the environment runs {said.stdout.strip()}")
