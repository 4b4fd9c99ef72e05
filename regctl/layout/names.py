"""Names of the Distribution grammar as values, parsed once, before any path is made of them."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from regctl.digest import Digest
from regctl.errors import InvalidNameError

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_MAX_REPOSITORY = 255


@dataclass(frozen=True, slots=True, order=True)
class RepositoryName:
    """The name of a repository: lower-case components joined by slashes, at most 255 characters.

    Source: the OCI distribution specification and Distribution's ``reference`` grammar.
    """

    value: str

    @classmethod
    def parse(cls, text: str) -> RepositoryName:
        """The name that ``text`` writes; raises `InvalidNameError`."""
        if len(text) > _MAX_REPOSITORY:
            raise InvalidNameError(
                f"the repository name {text[:40]!r}... has {len(text)} characters; "
                f"at most {_MAX_REPOSITORY} are allowed"
            )
        if not _REPOSITORY.fullmatch(text):
            raise InvalidNameError(
                f"{text!r} is not a repository name",
                hint="a name is lower-case words of a-z and 0-9, separated by '.', '_', '__' or "
                "'-', in components joined by '/': team/app",
            )
        return cls(text)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class Tag:
    """A tag of a repository: at most 128 word characters, dots and dashes."""

    value: str

    @classmethod
    def parse(cls, text: str) -> Tag:
        """The tag that ``text`` writes; raises `InvalidNameError`."""
        if not _TAG.fullmatch(text):
            shown = repr(text) if len(text) <= 140 else f"{text[:40]!r}... ({len(text)} characters)"
            raise InvalidNameError(
                f"{shown} is not a tag",
                hint="a tag has up to 128 letters, digits, '_', '.' and '-', "
                "and begins with a letter, a digit or '_'",
            )
        return cls(text)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class UploadId:
    """The id of an upload in progress: a UUID in lower case (version 4 in 2.x, 7 in 3.x)."""

    value: str

    @classmethod
    def parse(cls, text: str) -> UploadId:
        """The id that ``text`` writes; raises `InvalidNameError`."""
        if not _UUID.fullmatch(text):
            shown = repr(text) if len(text) <= 80 else f"{text[:40]!r}..."
            raise InvalidNameError(
                f"{shown} is not the id of an upload",
                hint="an upload's id is a UUID in lower case; 'regctl uploads' lists them",
            )
        return cls(text)

    @classmethod
    def new(cls) -> UploadId:
        """A fresh random id."""
        return cls(str(uuid.uuid4()))

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Reference:
    """``REPO``, ``REPO:TAG`` or ``REPO@DIGEST``: at most one of ``tag`` and ``digest`` is set."""

    repository: RepositoryName
    tag: Tag | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The reference that ``text`` writes.

        Raises `InvalidNameError`, and for the digest what `Digest.parse` raises.
        """
        name, at, digest = text.partition("@")
        if at:
            if ":" in name:
                raise InvalidNameError(
                    f"{text!r} names a tag and a digest", hint="name one: REPO:TAG or REPO@DIGEST"
                )
            return cls(RepositoryName.parse(name), digest=Digest.parse(digest))
        name, colon, tag = text.partition(":")
        return cls(RepositoryName.parse(name), tag=Tag.parse(tag) if colon else None)

    def __str__(self) -> str:
        if self.tag is not None:
            return f"{self.repository}:{self.tag}"
        return f"{self.repository}@{self.digest}" if self.digest else str(self.repository)
