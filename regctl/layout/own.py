"""What regctl keeps for itself: beside the registry's tree, where no registry looks.

/regctl/locks/<sha256>                      who writes a tag, or a file of an object store
/regctl/locks/gc                            who collects garbage
/regctl/runs/<run>.json                     what a run was asked for, and what became of it
/regctl/gc/condemned/<run>/                 what a run found to be garbage
/regctl/quarantine/<run>/<path>             what a run took away from <path>
/regctl/restoring/<run>/<path>              what is about to go back to <path>
"""

from __future__ import annotations

import hashlib

from regctl.layout.bulk import is_temporary
from regctl.layout.mapper import LAYOUT_ROOT
from regctl.layout.names import RepositoryName, Tag

_LOCKS = "/regctl/locks"
#: The lock that whoever collects garbage holds.
GC_LOCK = f"{_LOCKS}/gc"
#: The directories that have something for each run.
RUNS = "/regctl/runs"
CONDEMNED = "/regctl/gc/condemned"
QUARANTINE = "/regctl/quarantine"
RESTORING = "/regctl/restoring"

_HEADER = "header"
_RECORD = ".json"


def tag_lock(repository: RepositoryName, tag: Tag) -> str:
    """The file that whoever rewrites what ``tag`` names has open for writing meanwhile.

    Its name is a hash: a repository's name may be longer than a file's.
    """
    return f"{_LOCKS}/{hashlib.sha256(f'{repository}:{tag}'.encode()).hexdigest()}"


def run_record(run: str) -> str:
    """The record of ``run``."""
    return f"{RUNS}/{run}{_RECORD}"


def run_of_record(name: str) -> str | None:
    """The run whose record a file of this name in `RUNS` is; None if it is no record."""
    return name.removesuffix(_RECORD) if name.endswith(_RECORD) else None


def condemned(run: str) -> str:
    """The directory of the list that ``run`` made."""
    return f"{CONDEMNED}/{run}"


def condemned_header(run: str) -> str:
    """The file that makes a list of what ``run`` condemned: written last."""
    return f"{condemned(run)}/{_HEADER}"


def condemned_chunk(run: str, number: int) -> str:
    """The piece ``number`` (from 0) of the list that ``run`` made."""
    return f"{condemned(run)}/{number:06d}"


def quarantine(run: str) -> str:
    """The directory of what ``run`` took away."""
    return f"{QUARANTINE}/{run}"


def quarantined(run: str, path: str) -> str:
    """Where ``run`` puts what it takes away from ``path``, of the registry's tree."""
    return quarantine(run) + path


def restoring(run: str, path: str = "") -> str:
    """Where content of ``run`` waits until it is whole and goes back to ``path``."""
    return f"{RESTORING}/{run}{path}"


def is_registry_temporary(path: str) -> bool:
    """Whether ``path``, in the registry's tree, is that of a file that a registry writes and
    would then rename: after a crash it is left."""
    name = path.rpartition("/")[2]
    return path.startswith(f"{LAYOUT_ROOT}/") and is_temporary(name)
