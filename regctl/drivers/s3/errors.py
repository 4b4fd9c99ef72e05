"""The one place where botocore's errors become those of `regctl.errors`.

No message holds a key, a token or a signature: the server's own words are quoted only where they
say more than its code, and cleaned of what looks like one.

Source: "Error responses" of the Amazon S3 API reference; `botocore.exceptions`.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from urllib3 import exceptions as urllib3_errors

from regctl.errors import (
    ConfigurationError,
    DeniedError,
    NoSpaceError,
    NotPermittedPathError,
    PathNotFoundError,
    RegctlError,
    StorageError,
    UnavailableError,
)


class PreconditionFailedError(StorageError):
    """What a conditional request demanded is not so. Drivers deal with it; it goes no further."""

    code = "precondition-failed"


class NoSuchUploadError(StorageError):
    """A multipart upload is no longer there: completed or aborted by somebody."""

    code = "no-such-upload"


class NoSuchBucketError(StorageError):
    """The bucket of the configuration is not there."""

    code = "no-such-bucket"


class WrongRegionError(StorageError):
    """The bucket lies in another region than the configuration says."""

    code = "wrong-region"


class NotS3Error(StorageError):
    """What answers at the endpoint does not speak S3."""

    code = "not-s3"


class RangeNotSatisfiableError(StorageError):
    """An object has no byte in the range that was asked for."""

    code = "range-not-satisfiable"


class NotImplementedByServerError(StorageError):
    """The server does not know the request, or one of its conditions."""

    code = "not-implemented"


WAYS_TO_GIVE_CREDENTIALS = (
    "give them as accesskey and secretkey of storage.s3 in a configuration, in AWS_ACCESS_KEY_ID"
    " and AWS_SECRET_ACCESS_KEY, as AWS_PROFILE with ~/.aws, or as the role of this machine"
)
_OTHER_ENDPOINT = "is regionendpoint right? (and `secure`, for http or https)"
_LONGEST_QUOTE = 200
#: Of a longer text only the beginning is looked at.
_LONGEST_READ = 4000
#: The body of a HEAD's answer is empty, so its code is its status.
_HEADS = frozenset({"HeadObject", "HeadBucket"})

_ABSENT = frozenset({"NoSuchKey", "NoSuchVersion", "NotFound"})
_PRECONDITION = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412"})
_FULL = frozenset(
    {
        "InsufficientStorage",
        "QuotaExceeded",
        "XMinioAdminBucketQuotaExceeded",
        "XMinioStorageFull",
        "507",
    }
)
_REGION = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
        "Redirect",
        "TemporaryRedirect",
        "301",
        "302",
        "307",
        "308",
    }
)
#: Worth another try later. So is every status of 500 and above but 501 and 507.
_LATER = frozenset(
    {
        "BadDigest",
        "BandwidthLimitExceeded",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
        "XAmzContentSHA256Mismatch",
        "408",
        "429",
    }
)
_SLOWER = frozenset({"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "429"})
_OTHER_KEYS = "check accesskey and secretkey, and that they belong to this endpoint"
#: Why the server refuses whoever asks, and what helps.
_REFUSALS: dict[str, tuple[str, str | None]] = {
    "InvalidAccessKeyId": ("the server does not know the access key", _OTHER_KEYS),
    "SignatureDoesNotMatch": ("the secret key does not fit the access key", _OTHER_KEYS),
    "ExpiredToken": ("the credentials have expired", "renew the session and its token"),
    "ExpiredTokenException": ("the credentials have expired", "renew the session and its token"),
    "TokenRefreshRequired": ("the credentials have expired", "renew the session and its token"),
    "InvalidToken": ("the server does not accept the session token", _OTHER_KEYS),
    "RequestTimeTooSkewed": ("the clock of this machine is wrong", "set it"),
    "RequestExpired": ("the clock of this machine is wrong", "set it"),
    "InvalidObjectState": (
        "the object is archived and must be restored before it can be read",
        None,
    ),
}
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessControlListNotSupported",
        "AccountProblem",
        "AllAccessDisabled",
        "Forbidden",
        "InvalidSecurity",
        "NotSignedUp",
        "Unauthorized",
        "UnauthorizedAccess",
        "401",
        "403",
    }
)
#: What must not be quoted: access key ids, and whatever follows the name of a secret.
_SECRET = re.compile(
    r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{8,}\b"
    r"|(?i:\b\w*(?:signature|credential|token|secret|key ?id|access ?key)\w*\s*[=:]\s*\S+)"
)


def translate(error: BaseException, path: str) -> RegctlError:
    """The error that says what ``error``, of botocore or of a body it streams, says about
    ``path`` in the storage.

    `PathNotFoundError` comes of a 404 about an object and of nothing else. A `RegctlError` comes
    back as it is. What is none of the SDK's errors is raised again.
    """
    if isinstance(error, RegctlError):
        return error
    if isinstance(error, sdk.ClientError):
        return _answered(error, path)
    if isinstance(error, sdk.SSLError | ssl.SSLError):
        return _tls(error)
    if isinstance(error, ResponseParserError):
        return not_s3("its answer is not XML")
    if isinstance(error, (*_TRANSPORT, OSError)):
        return UnavailableError(f"{path}: {_no_answer(error)}")
    if isinstance(error, _CREDENTIALS):
        return DeniedError(
            f"the credentials of this machine cannot be used: {clean(str(error))}",
            hint=WAYS_TO_GIVE_CREDENTIALS,
        )
    if isinstance(error, sdk.BotoCoreError | ValueError):
        # Parameters, endpoints and profiles that the SDK refuses before it asks anybody.
        return ConfigurationError(f"S3 cannot be used as configured: {clean(str(error))}")
    raise error


_TRANSPORT = (
    sdk.ConnectionError,
    sdk.HTTPClientError,
    sdk.IncompleteReadError,
    sdk.ChecksumError,
    sdk.FlexibleChecksumError,
    sdk.CapacityNotAvailableError,
    urllib3_errors.HTTPError,
)
_CREDENTIALS = (
    sdk.NoCredentialsError,
    sdk.NoAuthTokenError,
    sdk.TokenRetrievalError,
    sdk.PartialCredentialsError,
    sdk.CredentialRetrievalError,
    sdk.UnknownCredentialError,
    sdk.RefreshWithMFAUnsupportedError,
    sdk.MetadataRetrievalError,
    sdk.SSOError,
    sdk.LoginError,
)


def from_code(code: str, message: str, path: str) -> RegctlError:
    """The error of one entry in the answer to a bulk delete: ``code`` and ``message`` of S3."""
    return _by_code(code, 0, message, path)


def not_s3(why: str) -> NotS3Error:
    """What to say of an endpoint that does not answer as S3 does."""
    return NotS3Error(f"what answers at the endpoint is not S3: {why}", hint=_OTHER_ENDPOINT)


def status(error: sdk.ClientError) -> int:
    """The HTTP status of an answer, 0 if it has none."""
    metadata = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 0) or 0)


def clean(text: str) -> str:
    """The words of a server or an SDK as one short line, without what looks like a secret."""
    line = "".join(char if char.isprintable() else " " for char in text[:_LONGEST_READ])
    line = _SECRET.sub("(hidden)", " ".join(line.split()))
    return line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE] + "..."


def _answered(error: sdk.ClientError, path: str) -> RegctlError:
    """The error of an answer that came from a server."""
    answer: Mapping[str, Any] = error.response
    details = answer.get("Error", {})
    code = str(details.get("Code") or "")
    number = status(error)
    is_head = error.operation_name in _HEADS
    if code in {"NoSuchBucket", "InvalidBucketName"}:
        return _no_bucket(str(details.get("BucketName") or ""))
    if error.operation_name == "HeadBucket" and number == 404:
        return _no_bucket("")
    if code in _REGION and (region := _region(answer)):
        return WrongRegionError(
            f"the region is wrong: the bucket is in {region}",
            hint=f"set region (and regionendpoint, if there is one) for {region}",
        )
    if not is_head and (not code or code == str(number)):
        # Every answer of S3 says in its body what is wrong, that to a HEAD excepted.
        if number >= 500 or number == 429:
            # Also what the SDK makes of a 200 with a body that is no XML.
            return UnavailableError(
                f"{path}: the server answers {number}, and not in the words of S3",
                hint=f"if it goes on so: {_OTHER_ENDPOINT}",
            )
        return not_s3(f"it answers {number} without saying why in the words of S3")
    if is_head and number == 404:
        return PathNotFoundError(path)
    return _by_code(code, number, str(details.get("Message") or ""), path)


def _by_code(code: str, number: int, message: str, path: str) -> RegctlError:
    if code in _ABSENT:
        return PathNotFoundError(path)
    if code == "NoSuchUpload":
        return NoSuchUploadError(f"the multipart upload of {path} is no longer there")
    if code in _PRECONDITION or number == 412:
        return PreconditionFailedError(f"{path} is not what it was")
    if code in _FULL or number == 507:
        return NoSpaceError(f"{path}: the storage is full or over its quota ({code})")
    if code in {"InvalidRange", "416"} or number == 416:
        return RangeNotSatisfiableError(f"{path} has no bytes there")
    if code == "KeyTooLongError":
        return NotPermittedPathError(f"{path} is too long for a key")
    if code in {"NotImplemented", "501"} or number == 501:
        return NotImplementedByServerError(f"{path}: the server does not implement this request")
    if code in _LATER or number >= 500:
        hint = "use fewer --jobs" if code in _SLOWER else None
        return UnavailableError(f"{path}: the server answers {code}", hint=hint)
    if (refused := _refused(code, number, message, path)) is not None:
        return refused
    quote = f": {clean(message)}" if message else ""
    return StorageError(f"{path}: the server answers {code}{quote}")


def _refused(code: str, number: int, message: str, path: str) -> DeniedError | None:
    if code in _REFUSALS:
        why, hint = _REFUSALS[code]
        return DeniedError(f"{path}: {why}", hint=hint)
    if code.startswith("KMS."):
        return DeniedError(f"{path}: the encryption key cannot be used: {clean(message)}")
    if code in _DENIED or number in {401, 403}:
        quote = f": {clean(message)}" if message and code not in {"401", "403"} else ""
        return DeniedError(
            f"{path}: the server denies access{quote}",
            hint="these credentials may not do this here: check the policies of user and bucket",
        )
    return None


def _no_bucket(name: str) -> NoSuchBucketError:
    return NoSuchBucketError(
        f"there is no bucket {name}".rstrip() if name else "there is no such bucket",
        hint="check bucket, and region or regionendpoint",
    )


def _region(answer: Mapping[str, Any]) -> str:
    """Where the server says that the bucket is; empty if it does not."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    details = answer.get("Error", {})
    region = str(headers.get("x-amz-bucket-region") or details.get("Region") or "")
    if not region and details.get("Endpoint"):
        # "bucket.s3-eu-west-1.amazonaws.com", or with a point after s3.
        match = re.search(r"\bs3[.-]([a-z0-9-]+)\.amazonaws\.", str(details["Endpoint"]))
        region = match[1] if match else ""
    return clean(region)


def _tls(error: BaseException) -> RegctlError:
    """An endpoint whose TLS fails: mostly a certificate, or no TLS at all."""
    text = str(error)
    host = _host(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "doesn't match" in text:
        match = re.search(r"certificate verify failed: ([^(\n]*)", text)
        reason = f": {match[1].strip()}" if match else ""
        return StorageError(
            f"the certificate of {host} does not verify{reason}",
            hint="name the authority's certificates in AWS_CA_BUNDLE",
        )
    return StorageError(
        f"TLS with {host} fails: {clean(text.rpartition('] ')[2] or text)}", hint=_OTHER_ENDPOINT
    )


def _host(error: BaseException) -> str:
    """The server that an error is about; its URL's path and query are nobody's business."""
    url = getattr(error, "kwargs", {}).get("endpoint_url", "")
    try:
        return urlsplit(str(url)).netloc.rpartition("@")[2] or "the server"
    except ValueError:
        return "the server"


def _no_answer(error: BaseException) -> str:
    """Why no answer came, or no whole one."""
    host = _host(error)
    if isinstance(error, sdk.ProxyConnectionError):
        return "the proxy cannot be reached"
    if isinstance(error, sdk.ReadTimeoutError | urllib3_errors.ReadTimeoutError):
        return f"{host} does not answer in time"
    if isinstance(error, sdk.ConnectTimeoutError):
        return f"{host} cannot be reached in time"
    if isinstance(error, sdk.EndpointConnectionError):
        return f"{host} cannot be reached{_reason(error)}"
    if isinstance(error, sdk.ChecksumError | sdk.FlexibleChecksumError):
        return "what arrived does not have its checksum"
    return f"the connection to {host} broke"


def _reason(error: sdk.EndpointConnectionError) -> str:
    """What the operating system said, behind the errors that wrap one another."""
    inner: Any = getattr(error, "kwargs", {}).get("error")
    for _ in range(10):
        if inner is None:
            break
        if isinstance(inner, socket.gaierror):
            return ": its name is not known"
        if isinstance(inner, OSError) and inner.strerror:
            return f": {inner.strerror}"
        inner = getattr(inner, "reason", None) or inner.__cause__ or inner.__context__
    return ""
