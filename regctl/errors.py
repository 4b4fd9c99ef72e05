"""Every error regctl raises on purpose, in one tree; each class carries its exit code.

    RegctlError                      1   part of the work failed, or the answer is no
    ├── UsageError                   2   the command line cannot be right
    │   ├── InvalidNameError             repository name, tag, upload id or reference
    │   ├── InvalidDigestError           not the form of a digest
    │   ├── ConfigurationError           no storage, or a configuration that cannot be read
    │   └── InputFileError               FILE is missing, a directory, or cannot be read
    ├── NotFoundError                3   repository, tag, revision, layer, upload
    │   └── PathNotFoundError            a driver found nothing at a path
    ├── ContentError                 4   content is refused
    │   ├── UnsupportedDigestError       a digest that is read but not written, or not known
    │   ├── DigestMismatchError          bytes do not have the digest that was demanded
    │   └── InvalidManifestError         with every reason at once
    ├── StorageError                 5   the storage cannot be reached, read or written
    │   ├── UnavailableError             it may work when tried again
    │   ├── DeniedError                  permissions, read-only storage
    │   ├── NoSpaceError                 disk full or over quota
    │   ├── NotPermittedPathError        a path that leads out of the root, or a symlink
    │   └── DamagedError                 what is stored contradicts itself
    └── UnsafeError                  6   refused because it could lose something
        ├── PathExistsError              create-if-absent found something
        ├── UploadInUseError             another writer has the upload
        ├── UploadMismatchError          the content at hand is not what the upload holds
        └── ReadOnlyLayoutError          the tree's layout is read, not written

Modules refine these classes where they raise them (a tag not found, a wrong passphrase, an archive
that is none): such a class has a code of its own and the exit code of its base. Codes 70, 130, 141
and 143 belong to ``regctl.cli``.
"""

from __future__ import annotations


class RegctlError(Exception):
    """The base: a message that names the thing, and a hint that says what to do."""

    exit_code = 1
    #: Stable name in JSON output.
    code = "failed"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(RegctlError):
    """The command line cannot be right."""

    exit_code = 2
    code = "usage"


class InvalidNameError(UsageError):
    """A repository name, tag, upload id or reference is outside the grammar."""

    code = "invalid-name"


class InvalidDigestError(UsageError):
    """A text has not the form of a digest."""

    code = "invalid-digest"


class ConfigurationError(UsageError):
    """No storage is configured, or the configuration cannot be used."""

    code = "configuration"


class InputFileError(UsageError):
    """A FILE argument is missing, a directory, or cannot be read or written."""

    code = "input-file"


class NotFoundError(RegctlError):
    """A repository, tag, revision, layer or upload is not there."""

    exit_code = 3
    code = "not-found"


class PathNotFoundError(NotFoundError):
    """A driver found nothing at ``path``: it could look, and there is nothing."""

    code = "path-not-found"

    def __init__(self, path: str) -> None:
        super().__init__(f"nothing in the storage at {path}")
        self.path = path


class ContentError(RegctlError):
    """Content is refused."""

    exit_code = 4
    code = "content"


class UnsupportedDigestError(ContentError):
    """A digest of an algorithm that is unknown, or read but never written."""

    code = "unsupported-digest"


class DigestMismatchError(ContentError):
    """The bytes do not have the digest that was demanded of them."""

    code = "digest-mismatch"


class InvalidManifestError(ContentError):
    """A manifest is refused; ``reasons`` holds every reason, each a full sentence part."""

    code = "invalid-manifest"

    def __init__(
        self, message: str, reasons: tuple[str, ...] = (), *, hint: str | None = None
    ) -> None:
        super().__init__("\n  - ".join((message, *reasons)), hint=hint)
        self.reasons = reasons


class StorageError(RegctlError):
    """The storage cannot be reached, read or written, or what it holds is damaged."""

    exit_code = 5
    code = "storage"


class UnavailableError(StorageError):
    """The storage did not answer, or answered with a fault of its own."""

    code = "unavailable"


class DeniedError(StorageError):
    """The storage refuses this access: permissions, or it is read-only."""

    code = "denied"


class NoSpaceError(StorageError):
    """The storage is full, or a quota is reached."""

    code = "no-space"


class NotPermittedPathError(StorageError):
    """A path meets a symlink, or is none that a driver may touch."""

    code = "path-not-permitted"


class DamagedError(StorageError):
    """What is stored contradicts itself."""

    code = "damaged"


class UnsafeError(RegctlError):
    """Refused, because it could lose something."""

    exit_code = 6
    code = "unsafe"


class PathExistsError(UnsafeError):
    """Create-if-absent found something at ``path``."""

    code = "path-exists"

    def __init__(self, path: str) -> None:
        super().__init__(f"the storage already holds something at {path}")
        self.path = path


class UploadInUseError(UnsafeError):
    """Another writer has the upload's data open."""

    code = "upload-in-use"


class UploadMismatchError(UnsafeError):
    """The content at hand, or the token, does not fit what the upload holds."""

    code = "upload-mismatch"


class ReadOnlyLayoutError(UnsafeError):
    """The tree is in a layout that this program reads and does not write."""

    code = "read-only-layout"
