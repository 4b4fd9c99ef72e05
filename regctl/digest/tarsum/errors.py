"""What is raised for an archive that has no TarSum."""

from __future__ import annotations

from regctl.errors import ContentError


class InvalidArchiveError(ContentError):
    """An archive has no TarSum: the reference refuses it, or has no one answer to it."""

    code = "invalid-archive"
