"""What commands say of archives that are known by their TarSum."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regctl.commands.base import App
    from regctl.digest import Digest


def warn_of_ambiguity(app: App, digest: Digest, alternative: Digest | None) -> None:
    """Warn if programs do not agree on the archive's TarSum."""
    if alternative is not None:
        app.output.warning(
            f"the TarSum is ambiguous, because entries have the same name: {digest} is that of "
            f"the registry of 2015, later programs say {alternative}",
            hint="where the archive is verified, regctl accepts both",
        )


def say_other_bytes(app: App, tarsum: Digest) -> None:
    """Say that an archive of other bytes, which was there first, is the layer."""
    app.output.message(
        f"the storage holds another archive as {tarsum}, with the same entries and other bytes: "
        "it stays, it was verified, and it is the layer"
    )
