"""Which tests of interoperation run on which kinds of storage, and the registries on them.

Every module has a line, and every test in it runs on just what its line says, or that of its
module: a test that does not fit is an error when tests are collected. Debian's registry has no
driver for GCS: trees that it wrote elsewhere are copied there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.commands.handles import S3, Directory, Storage, in_repository
from tests.servers.s3 import S3Endpoint

KINDS = ("filesystem", "s3")
#: The least that the registry takes for a part of an upload.
PART = 5 << 20


@dataclass(frozen=True, slots=True)
class On:
    """The kinds of storage that a test runs on, and why not on the others."""

    kinds: tuple[str, ...]
    why: str = ""


EVERYWHERE = On(KINDS)


def _directory(why: str) -> On:
    return On(("filesystem",), why)


def _s3(why: str) -> On:
    return On(("s3",), why)


_IN_BETWEEN = _directory(
    "what a lost process had stored is looked for in a file; of multipart uploads it is in "
    "test_s3_uploads"
)

#: By module, or module and test: the test's own line counts.
TABLE: dict[str, On] = {
    "test_digests": EVERYWHERE,
    "test_gc": EVERYWHERE,
    "test_gc::test_live_whatever_a_client_was_told_is_pushed_can_be_pulled": _directory(
        "on object stores a tag that is moved while it is listed is reported as unreadable, and "
        "the run, which keeps all of it, exits with 1"
    ),
    "test_gcs_trees": On((), "no registry that is at hand writes to GCS: it has trees by itself"),
    "test_live_registry": EVERYWHERE,
    "test_ownership": On((), "it has a directory of another user, and no bucket has owners"),
    "test_regctl_builds": EVERYWHERE,
    "test_s3_registry": _s3("it is about what the registry keeps where in a bucket"),
    "test_s3_uploads": _s3("it is about multipart uploads"),
    "test_schema1": EVERYWHERE,
    "test_skopeo_pushes": EVERYWHERE,
    "test_table": On((), "it needs no storage"),
    "test_uploads": EVERYWHERE,
    "test_uploads::test_an_upload_that_regctl_lost_is_finished_over_http": _IN_BETWEEN,
    "test_uploads::test_an_upload_lost_just_after_a_checkpoint_is_trusted_by_the_registry": (
        _IN_BETWEEN
    ),
    "test_uploads::test_an_upload_goes_to_and_fro": _IN_BETWEEN,
}


def kinds_of(module: str, test: str) -> tuple[str, ...]:
    """What ``test`` of ``module`` (``test_digests``) runs on. Raises `KeyError` without a line."""
    line = TABLE.get(f"{module}::{test}") or TABLE[module]
    return line.kinds


def section_of(storage: Storage) -> Mapping[str, object] | None:
    """What a registry on ``storage`` has under ``storage``; None for its usual directory."""
    if isinstance(storage, Directory):
        return None
    members = {"v4auth": True, "encrypt": False, "chunksize": PART, **storage.section}
    return {storage.kind: members}


def root_of(storage: Storage, other: Path) -> Path:
    """The directory of a registry on ``storage``; ``other`` where it has none."""
    return storage.directory if isinstance(storage, Directory) else other


@contextmanager
def emptied_after(server: S3Endpoint, prefix: str) -> Iterator[S3]:
    """The storage at a prefix of a bucket, of which nothing is left in the end."""
    try:
        yield S3(server, prefix)
    finally:
        server.clean(f"{prefix}/")


def tags_in(storage: Storage, repository: str) -> list[str]:
    """The tags by the links that there are: SeaweedFS goes on listing for a while the prefixes of
    which nothing is left, so that neither side can tell that a tag has gone."""
    found = storage.find(in_repository(repository, "_manifests/tags/*/current/link"))
    return sorted(path.split("/")[-3] for path in found)
