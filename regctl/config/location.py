"""Storages by URL: a path, ``file:///path``, ``s3://bucket/prefix?region=..``, ``gs://bucket``."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, unquote_to_bytes, urlsplit

from regctl.config.members import MEMBERS, SECRETS
from regctl.config.settings import StorageSettings, absolute, make_storage
from regctl.errors import ConfigurationError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_FORMS = "use a path, file:///path, s3://bucket/prefix?region=.. or gs://bucket/prefix"
_FROM_CONFIGURATION = "credentials come from the SDK's own places or a configuration, not a URL"
_DRIVERS = {"s3": "s3", "gs": "gcs"}
#: Keys of a query by scheme. The bucket is the URL's own.
_KEYS = {
    scheme: frozenset(MEMBERS[driver]) - SECRETS - {"bucket"} for scheme, driver in _DRIVERS.items()
}


def parse_location(text: str, source: str) -> StorageSettings:
    """The storage at ``text``, which was given as ``source`` (an option or a variable).

    Raises `ConfigurationError`, without any part of the URL that may be a secret.
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        if text.startswith(("file:", "s3:", "gs:")):
            raise ConfigurationError(f"{source} is a URL without //", hint=_FORMS)
        path = absolute(text, f"{source} {text!r}")
        return make_storage("filesystem", {"rootdirectory": path}, source)
    name = scheme[1].lower()
    if name not in {"file", "s3", "gs"}:
        raise ConfigurationError(f"{source}: {name}:// URLs are not supported", hint=_FORMS)
    try:
        url = urlsplit(text)
    except ValueError:
        # Without the cause, whose text may hold a password.
        raise ConfigurationError(f"{source} is not a URL", hint=_FORMS) from None
    if "@" in url.netloc:
        raise ConfigurationError(
            f"{source}: user and password are refused in a URL", hint=_FROM_CONFIGURATION
        )
    if "#" in text or any(char in text for char in "\t\r\n"):
        raise ConfigurationError(
            f"{source}: # and line breaks must be written as %23, %0A in a URL"
        )
    return _file(url, source) if name == "file" else _bucket(name, url, source)


def _file(url: SplitResult, source: str) -> StorageSettings:
    if url.netloc.lower() not in {"", "localhost"}:
        raise ConfigurationError(
            f"{source}: a file URL names no host", hint="three slashes: file:///path"
        )
    if url.query:
        raise ConfigurationError(f"{source}: a file URL takes no query", hint="write ? as %3F")
    if not url.path:
        raise ConfigurationError(f"{source}: the file URL names no path", hint=_FORMS)
    path = absolute(_unquote(url.path, source), source)
    return make_storage("filesystem", {"rootdirectory": path}, source)


def _bucket(scheme: str, url: SplitResult, source: str) -> StorageSettings:
    if not _BUCKET.fullmatch(url.netloc):
        raise ConfigurationError(
            f"{source}: the {scheme} URL does not name a bucket", hint=f"{scheme}://bucket/prefix"
        )
    members = _query(scheme, url.query, source)
    prefix = _unquote(url.path, source).strip("/")
    if prefix and "rootdirectory" in members:
        raise ConfigurationError(
            f"{source}: the prefix is given twice, in the path and as rootdirectory"
        )
    if prefix:
        members["rootdirectory"] = prefix
    return make_storage(_DRIVERS[scheme], {"bucket": url.netloc, **members}, source)


def _query(scheme: str, query: str, source: str) -> dict[str, object]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        if not query:
            return {}
        # Without the cause, whose text may hold a secret.
        raise ConfigurationError(f"{source}: the query of the URL is not key=value&...") from None
    members: dict[str, object] = {}
    for key, value in pairs:
        if key.lower() in SECRETS:
            raise ConfigurationError(
                f"{source}: {key.lower()} is refused in a URL", hint=_FROM_CONFIGURATION
            )
        member = "regionendpoint" if (scheme, key) == ("s3", "endpoint") else key
        if member not in _KEYS[scheme]:
            raise ConfigurationError(
                f"{source}: {key!r} is no key of a {scheme} URL",
                hint=f"keys are {', '.join(sorted(_KEYS[scheme]))}",
            )
        if member in members:
            raise ConfigurationError(f"{source}: {member} is given twice")
        members[member] = value
    return members


def _unquote(text: str, source: str) -> str:
    """``text`` with its %XX decoded; bytes that are no UTF-8 stand for themselves, as in paths."""
    decoded = unquote_to_bytes(text.encode(errors="surrogateescape"))
    if b"\0" in decoded:
        raise ConfigurationError(f"{source}: a URL with a NUL character")
    return decoded.decode(errors="surrogateescape")
