"""Names on the command line that need more than a grammar: uploads by id or token, references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from regctl.errors import UploadMismatchError, UsageError
from regctl.layout import Reference, RepositoryName, UploadId

if TYPE_CHECKING:
    from regctl.commands.base import App


@dataclass(frozen=True, slots=True)
class NamedUpload:
    """An upload as named on the command line; ``offset`` is set where a token says it."""

    id: UploadId
    offset: int | None = None


def parse_upload(app: App, repository: RepositoryName, text: str) -> NamedUpload:
    """The upload that ``text`` names: its id, or a token for it, which is checked.

    Raises `UsageError` for a token without a secret to check it with, what
    `regctl.registry.tokens.check` raises, and `UploadMismatchError` if the token is for an
    upload of another repository.
    """
    from regctl.registry.tokens import check, looks_like_token  # noqa: PLC0415

    if not looks_like_token(text):
        return NamedUpload(UploadId.parse(text))
    state = check(text, secret(app, "to check an upload token"))
    if state.name != str(repository):
        raise UploadMismatchError(
            f"the token is for an upload of {state.name!r}, not of {repository}"
        )
    return NamedUpload(UploadId.parse(state.uuid), state.offset)


def secret(app: App, purpose: str) -> str:
    """The secret that signs upload tokens. Raises `UsageError` if none is configured."""
    found = app.settings.http_secret
    if not found:
        raise UsageError(
            f"a secret is needed {purpose}, and none is configured",
            hint="set REGCTL_HTTP_SECRET, or name the registry's own --config with http.secret",
        )
    return found


def parse_reference(text: str, *, needs: str) -> Reference:
    """The reference that ``text`` writes; ``needs`` is ``tag``, ``manifest`` or ``any``.

    Raises `UsageError` if it names something else.
    """
    reference = Reference.parse(text)
    if needs == "tag" and reference.tag is None:
        raise UsageError(f"{text!r} names no tag", hint="name one: REPO:TAG")
    if needs == "manifest" and reference.tag is None and reference.digest is None:
        raise UsageError(f"{text!r} names no manifest", hint="name one: REPO:TAG or REPO@DIGEST")
    return reference
