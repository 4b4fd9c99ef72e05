"""The members of ``storage.s3`` of a registry's configuration, checked.

Source: Distribution, ``registry/storage/driver/s3-aws/s3.go``, ``FromParameters``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from regctl.errors import ConfigurationError

#: The least part of a multipart upload but the last one.
MIN_PART_BYTES = 5 << 20
#: The most of one part, and of one CopyObject.
MAX_PART_BYTES = 5 << 30
_DEFAULT_PART_BYTES = 10 << 20
_DEFAULT_COPY_BYTES = 32 << 20
_DEFAULT_COPIES = 100
#: More parts than this are not copied at once, whatever is configured.
MAX_COPIES = 32
#: Signed for where an endpoint is given, whose servers mostly do not care.
_DEFAULT_REGION = "us-east-1"
#: As the registry gives every object.
_CONTENT_TYPE = "application/octet-stream"
#: What the registry takes for "send no storage class".
_NO_CLASS = "NONE"


@dataclass(frozen=True, slots=True)
class S3Settings:
    """The storage in S3, as it is configured. Sizes are bytes; None is "not given"."""

    bucket: str
    #: Empty, or with ``/`` at its end and none at its start.
    prefix: str
    region: str | None
    #: A URL, or None for Amazon's own.
    endpoint: str | None
    addressing_style: str
    secure: bool
    verify: bool
    accelerate: bool
    dualstack: bool
    fips: bool
    part_bytes: int
    copy_threshold_bytes: int
    copy_chunk_bytes: int
    copy_concurrency: int
    access_key: str | None = field(repr=False)
    secret_key: str | None = field(repr=False)
    session_token: str | None = field(repr=False)
    #: Arguments of every request that makes an object.
    new_object: dict[str, str]


def read_settings(parameters: Mapping[str, object]) -> S3Settings:
    """The settings of ``parameters``, typed as `regctl.config` types them.

    Unknown members are ignored, as registries do. Raises `ConfigurationError`, never with a secret.
    """
    members = _Members(parameters)
    endpoint = _endpoint(members.text("regionendpoint"), secure=members.flag("secure", True))
    access_key, secret_key = members.text("accesskey"), members.text("secretkey")
    token = members.text("sessiontoken")
    if bool(access_key) != bool(secret_key) or (token and not access_key):
        raise ConfigurationError(
            "storage.s3 has only a part of the credentials",
            hint="accesskey and secretkey go together, and sessiontoken with both",
        )
    accelerate, dualstack = members.flag("accelerate", False), members.flag("usedualstack", False)
    fips = members.flag("usefipsendpoint", False)
    if endpoint and (accelerate or dualstack or fips):
        raise ConfigurationError(
            "accelerate, usedualstack and usefipsendpoint choose among Amazon's endpoints and do"
            " not go with regionendpoint"
        )
    if not members.flag("v4auth", True):
        # The SDK's signature of version 2 is wrong for requests about the bucket itself.
        raise ConfigurationError(
            "storage.s3: v4auth is false, and signatures of version 2 are not supported",
            hint="nearly every server takes version 4: set REGISTRY_STORAGE_S3_V4AUTH=true",
        )
    region = members.text("region")
    bucket = members.text("bucket")
    if not bucket:
        raise ConfigurationError("storage.s3 has no bucket")
    prefix = (members.text("rootdirectory") or "").strip("/")
    return S3Settings(
        bucket=bucket,
        prefix=f"{prefix}/" if prefix else "",
        region=region or (_DEFAULT_REGION if endpoint else None),
        endpoint=endpoint,
        addressing_style=_addressing(parameters.get("forcepathstyle")),
        secure=members.flag("secure", True),
        verify=not members.flag("skipverify", False),
        accelerate=accelerate,
        dualstack=dualstack,
        fips=fips,
        part_bytes=members.number("chunksize", _DEFAULT_PART_BYTES, MIN_PART_BYTES, MAX_PART_BYTES),
        copy_threshold_bytes=members.number(
            "multipartcopythresholdsize", _DEFAULT_COPY_BYTES, 0, MAX_PART_BYTES
        ),
        copy_chunk_bytes=members.number(
            "multipartcopychunksize", _DEFAULT_COPY_BYTES, MIN_PART_BYTES, MAX_PART_BYTES
        ),
        copy_concurrency=min(
            members.number("multipartcopymaxconcurrency", _DEFAULT_COPIES, 1, None), MAX_COPIES
        ),
        access_key=access_key,
        secret_key=secret_key,
        session_token=token,
        new_object=_new_object(members),
    )


class _Members:
    """The members by type; each complaint names the member."""

    def __init__(self, parameters: Mapping[str, object]) -> None:
        self._parameters = parameters

    def text(self, name: str) -> str | None:
        value = self._parameters.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise ConfigurationError(f"storage.s3: {name} must be a text")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._parameters.get(name, default)
        if not isinstance(value, bool):
            raise ConfigurationError(f"storage.s3: {name} must be true or false")
        return value

    def number(self, name: str, default: int, least: int, most: int | None) -> int:
        value = self._parameters.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigurationError(f"storage.s3: {name} must be a whole number")
        if value < least or (most is not None and value > most):
            bounds = f"at least {least}" if most is None else f"between {least} and {most}"
            raise ConfigurationError(f"storage.s3: {name} must be {bounds}")
        return value


def _endpoint(text: str | None, *, secure: bool) -> str | None:
    """``regionendpoint`` as a URL; ``secure`` tells the scheme where it has none."""
    if text is None:
        return None
    if "://" not in text:
        text = f"{'https' if secure else 'http'}://{text}"
    try:
        url = urlsplit(text)
        is_url = url.scheme in {"http", "https"} and bool(url.hostname)
        _ = url.port
    except ValueError:
        is_url = False
    # The text itself may hold a password and is not shown.
    if not is_url or "@" in url.netloc or url.query or url.fragment:
        raise ConfigurationError(
            "storage.s3: regionendpoint is not an endpoint",
            hint="host, host:port or http(s)://host:port, without user and password",
        )
    return text.rstrip("/")


def _addressing(force_path_style: object) -> str:
    """How the bucket is addressed. Unsaid, the SDK finds out: by path at other endpoints."""
    if force_path_style is None:
        return "auto"
    if not isinstance(force_path_style, bool):
        raise ConfigurationError("storage.s3: forcepathstyle must be true or false")
    return "path" if force_path_style else "virtual"


def _new_object(members: _Members) -> dict[str, str]:
    """What new objects are to have; what is not configured is left to the bucket."""
    arguments = {"ContentType": _CONTENT_TYPE}
    key_id = members.text("keyid")
    if members.flag("encrypt", False):
        arguments["ServerSideEncryption"] = "aws:kms" if key_id else "AES256"
        if key_id:
            arguments["SSEKMSKeyId"] = key_id
    storage_class = (members.text("storageclass") or _NO_CLASS).upper()
    if storage_class != _NO_CLASS:
        arguments["StorageClass"] = storage_class
    acl = members.text("objectacl")
    if acl:
        arguments["ACL"] = acl
    return arguments
