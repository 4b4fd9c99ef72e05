"""botocore's errors as those of the program: every one, once, and no secret in any."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import botocore.session
import pytest
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from urllib3.exceptions import IncompleteRead, ProtocolError

from regctl.drivers.s3.errors import (
    NoSuchBucketError,
    NoSuchUploadError,
    NotImplementedByServerError,
    NotS3Error,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    WrongRegionError,
    clean,
    from_code,
    translate,
)
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

PATH = "/docker/registry/v2/x"


def answer(
    code: str,
    status: int,
    operation: str = "GetObject",
    headers: dict[str, str] | None = None,
    **details: str,
) -> sdk.ClientError:
    """The error of an answer, as botocore makes it."""
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers or {}}
    return sdk.ClientError(
        {"Error": {"Code": code, **details}, "ResponseMetadata": metadata}, operation
    )


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("NoSuchKey", 404, PathNotFoundError),
        ("NoSuchBucket", 404, NoSuchBucketError),
        ("InvalidBucketName", 400, NoSuchBucketError),
        ("NoSuchUpload", 404, NoSuchUploadError),
        ("PreconditionFailed", 412, PreconditionFailedError),
        ("ConditionalRequestConflict", 409, PreconditionFailedError),
        ("InvalidRange", 416, RangeNotSatisfiableError),
        ("NotImplemented", 501, NotImplementedByServerError),
        ("AccessDenied", 403, DeniedError),
        ("InvalidAccessKeyId", 403, DeniedError),
        ("SignatureDoesNotMatch", 403, DeniedError),
        ("ExpiredToken", 400, DeniedError),
        ("InvalidToken", 400, DeniedError),
        ("RequestTimeTooSkewed", 403, DeniedError),
        ("InvalidObjectState", 403, DeniedError),
        ("SomethingNew", 403, DeniedError),
        ("KMS.DisabledException", 400, DeniedError),
        ("SlowDown", 503, UnavailableError),
        ("InternalError", 500, UnavailableError),
        ("InternalError", 200, UnavailableError),
        ("RequestTimeout", 400, UnavailableError),
        ("OperationAborted", 409, UnavailableError),
        ("SomethingNew", 503, UnavailableError),
        ("BadDigest", 400, UnavailableError),
        ("XMinioStorageFull", 507, NoSpaceError),
        ("QuotaExceeded", 403, NoSpaceError),
        ("KeyTooLongError", 400, NotPermittedPathError),
        ("InvalidArgument", 400, StorageError),
        ("EntityTooLarge", 400, StorageError),
    ],
)
def test_codes(code: str, status: int, kind: type[RegctlError]) -> None:
    told = translate(answer(code, status), PATH)
    assert type(told) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, PathNotFoundError), (403, DeniedError), (412, PreconditionFailedError)],
)
def test_heads_have_no_words(status: int, kind: type[RegctlError]) -> None:
    """The answer to a HEAD has no body, so its status has to do."""
    assert type(translate(answer(str(status), status, "HeadObject"), PATH)) is kind


@pytest.mark.parametrize("code", ["404", "403", "400", "200", ""])
def test_an_answer_without_words_is_not_of_s3(code: str) -> None:
    """A 404 of whatever web server is no absence of an object."""
    told = translate(answer(code, int(code or 404)), PATH)
    assert type(told) is NotS3Error
    assert "regionendpoint" in str(told.hint)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_proxy_without_words(status: int) -> None:
    """A proxy in front of the storage may answer for it: that may pass."""
    assert type(translate(answer(str(status), status), PATH)) is UnavailableError


@pytest.mark.parametrize(
    "error",
    [
        answer("AuthorizationHeaderMalformed", 400, Region="eu-west-3"),
        answer("PermanentRedirect", 301, Endpoint="reg.s3-eu-west-3.amazonaws.com"),
        answer("PermanentRedirect", 301, Endpoint="reg.s3.eu-west-3.amazonaws.com"),
        answer("301", 301, "HeadObject", {"x-amz-bucket-region": "eu-west-3"}),
    ],
)
def test_wrong_region(error: sdk.ClientError) -> None:
    told = translate(error, PATH)
    assert type(told) is WrongRegionError
    assert "eu-west-3" in told.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sdk.EndpointConnectionError(endpoint_url="http://h:9/b/k?q=1"), UnavailableError),
        (sdk.ConnectTimeoutError(endpoint_url="http://h:9/b/k"), UnavailableError),
        (sdk.ReadTimeoutError(endpoint_url="http://h:9/b/k"), UnavailableError),
        (sdk.ConnectionClosedError(endpoint_url="http://h:9/b/k"), UnavailableError),
        (sdk.ProxyConnectionError(proxy_url="http://u:HIDDEN@p"), UnavailableError),
        (sdk.ResponseStreamingError(error="x"), UnavailableError),
        (sdk.IncompleteReadError(actual_bytes=1, expected_bytes=2), UnavailableError),
        (IncompleteRead(1, 2), UnavailableError),
        (ProtocolError("x"), UnavailableError),
        (ConnectionResetError("x"), UnavailableError),
        (TimeoutError("x"), UnavailableError),
        (sdk.SSLError(endpoint_url="https://h/b", error="CERTIFICATE_VERIFY_FAILED"), StorageError),
        (ssl.SSLError("[SSL: WRONG_VERSION_NUMBER] wrong version number"), StorageError),
        (ResponseParserError("<html>"), NotS3Error),
        (sdk.NoCredentialsError(), DeniedError),
        (sdk.PartialCredentialsError(provider="env", cred_var="x"), DeniedError),
        (sdk.CredentialRetrievalError(provider="x", error_msg="y"), DeniedError),
        (sdk.UnauthorizedSSOTokenError(), DeniedError),
        (sdk.ProfileNotFound(profile="x"), ConfigurationError),
        (sdk.NoRegionError(), ConfigurationError),
        (sdk.ParamValidationError(report="x"), ConfigurationError),
        (ValueError("Invalid endpoint: x"), ConfigurationError),
    ],
)
def test_no_answer(error: Exception, kind: type[RegctlError]) -> None:
    told = translate(error, PATH)
    assert type(told) is kind
    assert "?" not in told.message
    assert "HIDDEN" not in told.message


def test_what_is_ours_stays() -> None:
    mine = PathNotFoundError("/other")
    assert translate(mine, PATH) is mine


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), KeyError("x"), KeyboardInterrupt()])
def test_what_is_no_error_of_the_sdk(error: BaseException) -> None:
    """A mistake of the program is not dressed up as one of the storage."""
    with pytest.raises(type(error)):
        translate(error, PATH)


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


@pytest.mark.parametrize("kind", sorted(set(subclasses(sdk.BotoCoreError)), key=str), ids=str)
def test_every_error_of_the_sdk(kind: type[Exception]) -> None:
    """None is left over, also when the SDK grows new ones; none is taken for an absence."""
    error = kind.__new__(kind)
    told = translate(error, PATH)
    assert isinstance(told, StorageError | ConfigurationError)
    assert told.exit_code in {2, 5}


def test_every_error_that_s3_describes() -> None:
    """Of those in the SDK's description of S3, only these two are an absence."""
    model = botocore.session.Session().get_service_model("s3")
    codes = {shape.error_code for shape in model.error_shapes}
    assert {"NoSuchKey", "NoSuchBucket", "NoSuchUpload"} <= codes
    absent = {c for c in codes if isinstance(translate(answer(c, 404), PATH), PathNotFoundError)}
    assert absent == {"NoSuchKey"}


@pytest.mark.parametrize(
    "text",
    [
        "The AWS Access Key Id AKIAABCDEFGHIJKLMNOP is not known",
        "key ASIAABCDEFGHIJKLMNOP",
        "Signature=abcdefSECRET123",
        "AWSAccessKeyId: SECRET",
        "X-Amz-Security-Token=SECRET//x",
        "secret_key = SECRET",
        "Credential=SECRET/20260101/us-east-1",
    ],
)
def test_no_secret_is_quoted(text: str) -> None:
    for told in (
        translate(answer("AccessDenied", 403, Message=text), PATH),
        translate(answer("InvalidArgument", 400, Message=text), PATH),
        from_code("AccessDenied", text, PATH),
        translate(sdk.CredentialRetrievalError(provider="x", error_msg=text), PATH),
    ):
        assert "SECRET" not in told.message
        assert "ABCDEFGHIJ" not in told.message
        assert "(hidden)" in told.message


def test_words_are_one_short_line() -> None:
    """Whatever a server says, it does not spoil the terminal."""
    told = clean("a\n\x1b[31mb " + "c" * 1000)
    assert told.startswith("a [31mb c")
    assert len(told) < 250


def test_the_path_is_named() -> None:
    for code in ("SlowDown", "AccessDenied", "InvalidArgument", "NoSuchUpload"):
        assert PATH in translate(answer(code, 400), PATH).message
