"""Paths of the storage as keys of a bucket, and back.

A key is the prefix of the storage and the path without its leading ``/``. Source: Distribution,
``registry/storage/driver/{s3-aws,gcs}``.
"""

from __future__ import annotations

from regctl.drivers.checked import check_path
from regctl.errors import NotPermittedPathError, PathNotFoundError


class Keys:
    """The keys of a storage below ``prefix``, which is empty or ends with ``/``."""

    __slots__ = ("prefix",)

    def __init__(self, prefix: str) -> None:
        if prefix and not prefix.endswith("/"):
            raise ValueError(f"the prefix {prefix!r} does not end with /")
        self.prefix = prefix

    def __repr__(self) -> str:
        return f"Keys({self.prefix!r})"

    def key(self, path: str) -> str:
        """The key of the file at ``path``.

        Raises `PathNotFoundError` for a path that is no text in UTF-8: no key is.
        """
        try:
            path.encode()
        except UnicodeEncodeError as error:
            raise PathNotFoundError(path) from error
        return self.prefix + path[1:]

    def directory(self, path: str) -> str:
        """What the keys of everything below the directory ``path`` begin with."""
        return self.prefix if path == "/" else self.key(path) + "/"

    def path(self, key: str) -> str:
        """The path of ``key``. Raises `ValueError` if it does not lie below the prefix."""
        if not key.startswith(self.prefix):
            raise ValueError(f"the key {key!r} is not below {self.prefix!r}")
        return "/" + key[len(self.prefix) :]

    def path_or_none(self, key: str, size: int = 0) -> str | None:
        """The path of ``key``, which holds ``size`` bytes, or None if it is only the mark of a
        directory: no bytes, and ``/`` at the end, as some tools leave.

        The path may be one that no driver takes: `is_odd`. Raises `ValueError` as `path` does.
        """
        path = self.path(key)
        return None if path.endswith("/") and size == 0 else path


def is_odd(path: str) -> bool:
    """Whether ``path``, made of a key, is none that a driver takes: empty components, dots...

    Such things may lie in a bucket. They are shown, as `Kind.OTHER`, and never touched.
    """
    try:
        check_path(path)
    except NotPermittedPathError:
        return True
    return path == "/"
