"""docker references: the name under which clients know an image, read as they read it.

``busybox`` is ``docker.io/library/busybox``; nothing is added to a name without tag and digest.
Source: containers/image, ``docker/reference/{normalize,regexp,reference}.go``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from regctl.digest import Digest
from regctl.errors import InvalidNameError
from regctl.layout import RepositoryName, Tag
from regctl.manifest.document import shown

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DOMAIN_PART = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*(?::[0-9]+)?"
_NAME = rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*"
_DIGEST = r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}"
_REFERENCE = re.compile(rf"({_NAME})(?::([\w][\w.-]{{0,127}}))?(?:@({_DIGEST}))?", re.ASCII)
_DOMAIN_ALONE = re.compile(_DOMAIN, re.ASCII)
_NAME_WITH_DOMAIN = re.compile(rf"(?={_DOMAIN}/){_NAME}", re.ASCII)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}", re.ASCII)
_MAX_NAME = 255
# Name, tag and the longest digest, with room to spare.
_MAX_LENGTH = 640
_DEFAULT_DOMAIN, _LEGACY_DOMAIN, _OFFICIAL = "docker.io", "index.docker.io", "library"


@dataclass(frozen=True, slots=True)
class DockerReference:
    """``name`` is host and repository, ``docker.io`` spelled out; ``tag`` and ``digest`` or ""."""

    name: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> DockerReference:
        """The reference that ``text`` writes, a short name made whole.

        Raises `InvalidNameError`.
        """
        if len(text) > _MAX_LENGTH or _IDENTIFIER.fullmatch(text):
            raise _invalid(text)
        domain, remainder = _split(text)
        match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
        if match is None or len(match[1]) > _MAX_NAME:
            raise _invalid(text)
        return cls(match[1], match[2] or "", match[3] or "")

    @classmethod
    def of(
        cls,
        host: str,
        repository: RepositoryName,
        tag: Tag | None = None,
        digest: Digest | None = None,
    ) -> DockerReference:
        """How clients that know this storage as ``host`` call an image.

        Raises `InvalidNameError` if ``host`` is not HOST or HOST:PORT, or one that clients would
        take for a part of a name at Docker Hub: it needs a dot, a port, or to be ``localhost``.
        """
        if not is_domain(host) or not _is_host(host):
            raise InvalidNameError(
                f"{host[:100]!r} is not the host of a registry",
                hint="a host has a dot or a port, or is localhost: registry.example.com:5000",
            )
        text = f"{host}/{repository}"
        text += f":{tag}" if tag is not None else ""
        text += f"@{digest}" if digest is not None else ""
        return cls.parse(text)

    @property
    def is_name_only(self) -> bool:
        """Whether it says neither tag nor digest."""
        return not self.tag and not self.digest

    def __str__(self) -> str:
        text = f"{self.name}:{self.tag}" if self.tag else self.name
        return f"{text}@{self.digest}" if self.digest else text


def is_domain(text: str) -> bool:
    """Whether ``text`` has the form of a host, with or without a port."""
    return len(text) <= _MAX_NAME and _DOMAIN_ALONE.fullmatch(text) is not None


def is_full_name(text: str) -> bool:
    """Whether ``text`` is a name that begins with what has the form of a host."""
    return len(text) <= _MAX_NAME and _NAME_WITH_DOMAIN.fullmatch(text) is not None


def scopes_of(reference: DockerReference) -> list[str]:
    """The scopes of a policy that hold for ``reference``, the most specific first.

    Reference, name, its parents, the host, then wildcards of the host's domains without a port.
    Source: containers/image, ``docker/policyconfiguration/naming.go``.
    """
    found = [str(reference)]
    name = reference.name
    while True:
        found.append(name)
        if "/" not in name:
            break
        name = name.rpartition("/")[0]
    host = name.partition(":")[0]
    while "." in host:
        host = host.partition(".")[2]
        found.append(f"*.{host}")
    return found


def _is_host(text: str) -> bool:
    return "." in text or ":" in text or text == "localhost"


def _split(text: str) -> tuple[str, str]:
    """Host and remainder; without a host, Docker Hub's."""
    first, slash, rest = text.partition("/")
    domain, remainder = (first, rest) if slash and _is_host(first) else (_DEFAULT_DOMAIN, text)
    if domain == _LEGACY_DOMAIN:
        domain = _DEFAULT_DOMAIN
    if domain == _DEFAULT_DOMAIN and "/" not in remainder:
        remainder = f"{_OFFICIAL}/{remainder}"
    return domain, remainder


def _invalid(text: str) -> InvalidNameError:
    return InvalidNameError(f"{shown(text)} is not a reference of an image")
