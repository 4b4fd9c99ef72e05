"""Keeping other runs of regctl off a tag while what it names is read, added to and written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from regctl.errors import UnsafeError, UploadInUseError
from regctl.layout import Tag
from regctl.layout.own import tag_lock
from regctl.registry.repository import Repository

#: How often a lock is tried, this many seconds apart: for half a minute.
LOCK_ATTEMPTS = 600
_PAUSE = 0.05


class LockHeldError(UnsafeError):
    """Another run of regctl does not let go of what this one needs alone."""

    code = "lock-held"


@contextmanager
def tag_locked(repository: Repository, tag: Tag) -> Iterator[None]:
    """Within it no other run of regctl is in the same block for the same tag.

    It holds for what takes this lock, and for nothing else: a registry does not know of it. The
    lock is that of the driver's writers, so that it ends with the process that has it.
    Raises `LockHeldError` when it is not to be had for a long time.
    """
    path = tag_lock(repository.name, tag)
    attempts_left = LOCK_ATTEMPTS
    while True:
        try:
            writer = repository.driver.writer(path)
            break
        except UploadInUseError as error:
            attempts_left -= 1
            if not attempts_left:
                raise LockHeldError(
                    f"another run of regctl is writing {repository.name}:{tag}, and does not end",
                    hint="try again when it has ended",
                ) from error
            repository.sleep(_PAUSE)
    with writer:
        try:
            yield
        finally:
            writer.cancel()
