"""What is refused here. Both name a reason; neither ever holds a private number."""

from __future__ import annotations

from regctl.errors import ContentError

_MAX_REASONS = 100


class InvalidKeyError(ContentError):
    """A key is refused: its form, its kind, or numbers that do not fit each other."""

    code = "invalid-key"


class InvalidSignatureError(ContentError):
    """A document or a signature cannot be read, made or served; ``reasons`` holds each reason."""

    code = "invalid-signature"

    def __init__(
        self, message: str, reasons: tuple[str, ...] = (), *, hint: str | None = None
    ) -> None:
        more = len(reasons) - _MAX_REASONS
        shown = (*reasons[:_MAX_REASONS], f"and {more} more") if more > 0 else reasons
        super().__init__("\n  - ".join((message, *shown)), hint=hint)
        self.reasons = shown
