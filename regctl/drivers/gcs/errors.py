"""What Google's SDK, its HTTP library and the JSON API say went wrong, as errors of this program.

Everything is mapped here and nowhere else. No message holds a token, a key or the address of an
upload session, which is a secret: who knows it may write.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from google.auth import exceptions as auth

from regctl.errors import (
    ConfigurationError,
    DeniedError,
    NoSpaceError,
    PathNotFoundError,
    RegctlError,
    StorageError,
    UnavailableError,
)


class PreconditionFailedError(StorageError):
    """What a conditional request demanded is not so. Drivers deal with it; it goes no further."""

    code = "precondition-failed"


class NoSuchBucketError(StorageError):
    """The bucket of the configuration is not there."""

    code = "no-such-bucket"


class SessionGoneError(StorageError):
    """A resumable session is no longer there: expired, cancelled or finalised by somebody."""

    code = "no-such-session"


class NotGcsError(StorageError):
    """What answers at the endpoint does not speak the JSON API of Cloud Storage."""

    code = "not-gcs"


WAYS_TO_GIVE_CREDENTIALS = (
    "give credentials: keyfile or credentials of storage.gcs, or Google's application default"
    " (GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login`)"
)
#: Statuses that may be another one when the request is sent again.
_RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})
#: Reasons of a 403 that speak of too much at once and not of permissions.
_RATE = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_QUOTA = frozenset({"quotaExceeded", "storageQuotaExceeded"})
_LONGEST_QUOTE = 200
#: Tokens, keys, and whatever an upload session is known by.
_SECRET = re.compile(
    r"(?i)(?:upload_id|upload_protocol|access_token|token|signature|key)=[^\s&\"']+"
    r"|ya29\.[\w.-]+|bearer\s+\S+|-----BEGIN[^-]*-----.*"
)


def translate(error: BaseException, path: str) -> RegctlError:
    """The error that says what ``error``, of requests, urllib3 or google.auth, says about ``path``.

    A `RegctlError` comes back as it is. What is none of theirs is raised again.
    """
    if isinstance(error, RegctlError):
        return error
    if isinstance(error, auth.GoogleAuthError):
        return _of_auth(error, path)
    if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError | OSError):
        return _of_transport(error, path)
    raise error


def answered(status: int, content: bytes, path: str) -> RegctlError:
    """The error of an answer with a ``status`` that is no success, about an object at ``path``.

    A 404 is `PathNotFoundError`: that the bucket is there is for the caller to know. ``content``
    is the body, mostly the JSON API's ``{"error": {...}}``, sometimes a plain line.
    """
    message, reasons = _explained(content)
    said = f": {message}" if message else ""
    error: RegctlError
    if status == 404:
        error = PathNotFoundError(path)
    elif status == 412:
        error = PreconditionFailedError(f"{path} is not what it was")
    elif status in _RETRYABLE or (status == 403 and reasons & _RATE):
        error = UnavailableError(f"{path}: the storage answers {status}{said}")
    elif reasons & _QUOTA or status == 507:
        error = NoSpaceError(f"{path}: a quota of the storage is reached{said}")
    elif status in {401, 403}:
        hint = WAYS_TO_GIVE_CREDENTIALS if status == 401 else None
        error = DeniedError(f"{path}: the storage refuses this access{said}", hint=hint)
    elif 300 <= status < 400:
        error = not_gcs(f"it answers {status} and sends elsewhere")
    else:
        error = StorageError(f"{path}: the storage answers {status}{said}")
    return error


def not_gcs(why: str) -> NotGcsError:
    """What to say of an endpoint that does not answer as Cloud Storage does."""
    return NotGcsError(
        f"what answers at the endpoint is not Cloud Storage: {why}",
        hint="check STORAGE_EMULATOR_HOST, and proxies",
    )


def no_bucket(name: str) -> NoSuchBucketError:
    """What to say when there is no bucket ``name``."""
    return NoSuchBucketError(f"there is no bucket {name}", hint="check storage.gcs.bucket")


def clean(text: str) -> str:
    """The words of a server or an SDK as one short line, without what looks like a secret."""
    line = "".join(char if char.isprintable() else " " for char in text)
    line = _SECRET.sub("(hidden)", " ".join(line.split()))
    return line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE] + "..."


def _explained(content: bytes) -> tuple[str, frozenset[str]]:
    """The message of an answer's body, cleaned, and the reasons that go with it."""
    text = content[:65536].decode("utf-8", "replace")
    try:
        error: Any = json.loads(text)["error"]
    except (ValueError, TypeError, KeyError):
        return ("" if "<" in text else clean(text)), frozenset()
    if not isinstance(error, dict):
        return clean(str(error)), frozenset()
    details = error.get("errors")
    reasons = frozenset(
        str(detail.get("reason"))
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict)
    )
    return clean(str(error.get("message") or "")), reasons


def _of_auth(error: auth.GoogleAuthError, path: str) -> RegctlError:
    """What is wrong with the credentials, or with the way to who gives tokens for them."""
    if isinstance(error, auth.TransportError):
        inner = error.args[0] if error.args else None
        if isinstance(inner, requests.RequestException | urllib3.exceptions.HTTPError):
            return _of_transport(inner, path)
        return UnavailableError("Google's token server, or the metadata server, cannot be reached")
    if isinstance(error, auth.InvalidOperation):
        # An anonymous request was answered with 401, and there is nothing to renew.
        return DeniedError(
            f"{path}: the storage asks for credentials, and there are none",
            hint=WAYS_TO_GIVE_CREDENTIALS,
        )
    if isinstance(error, auth.DefaultCredentialsError):
        return ConfigurationError(
            f"Google's application default credentials cannot be used: {clean(str(error))}",
            hint=WAYS_TO_GIVE_CREDENTIALS,
        )
    if getattr(error, "retryable", False):
        return UnavailableError("Google's token server does not give a token now")
    return DeniedError(
        "Google's token server does not accept the credentials", hint=WAYS_TO_GIVE_CREDENTIALS
    )


def _of_transport(
    error: requests.RequestException | urllib3.exceptions.HTTPError | OSError, path: str
) -> RegctlError:
    """Why no answer came, or no whole one."""
    host = _host(error)
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "doesn't match" in text:
        found = re.search(r"certificate verify failed: ([^(\n]*)", text)
        reason = f": {found[1].strip()}" if found else ""
        return StorageError(
            f"the TLS certificate of {host} does not verify{reason}",
            hint="name the authority's certificates in REQUESTS_CA_BUNDLE",
        )
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return StorageError(f"{host} does not speak TLS as it should")
    if isinstance(error, requests.exceptions.ProxyError | urllib3.exceptions.ProxyError):
        return UnavailableError(f"{path}: the proxy cannot be reached")
    if isinstance(error, ValueError):  # requests' InvalidURL, MissingSchema, InvalidHeader...
        return ConfigurationError("the endpoint of Cloud Storage is no URL that can be used")
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return UnavailableError(f"{path}: {host} does not answer in time")
    if isinstance(error, requests.exceptions.ChunkedEncodingError | urllib3.exceptions.HTTPError):
        return UnavailableError(f"{path}: the connection broke off")
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return not_gcs("it sends in circles")
    return UnavailableError(f"{path}: {host} cannot be reached, or broke the connection off")


def _host(error: BaseException) -> str:
    """The server that an error is about; its URL's path and query are nobody's business."""
    url = getattr(getattr(error, "request", None), "url", None) or ""
    try:
        return urlsplit(str(url)).netloc.rpartition("@")[2] or "the server"
    except ValueError:
        return "the server"
