"""The members of ``storage.s3``."""

from __future__ import annotations

import pytest

from regctl.config.members import MEMBERS
from regctl.drivers.s3.settings import MAX_COPIES, S3Settings, read_settings
from regctl.errors import ConfigurationError

MIB = 1 << 20


def settings(**members: object) -> S3Settings:
    return read_settings({"bucket": "reg", "region": "eu-west-1", **members})


def test_defaults() -> None:
    """As the registry's own, and nothing that is not configured is asked of new objects."""
    plain = settings()
    assert plain.bucket == "reg"
    assert plain.prefix == ""
    assert plain.region == "eu-west-1"
    assert plain.endpoint is None
    assert plain.addressing_style == "auto"
    assert plain.verify
    assert plain.secure
    assert plain.part_bytes == 10 * MIB
    assert plain.copy_threshold_bytes == plain.copy_chunk_bytes == 32 * MIB
    assert plain.copy_concurrency == MAX_COPIES
    assert plain.new_object == {"ContentType": "application/octet-stream"}


def test_no_region() -> None:
    """The SDK may know one; at another endpoint any will do."""
    assert read_settings({"bucket": "reg"}).region is None
    assert read_settings({"bucket": "reg", "regionendpoint": "minio"}).region == "us-east-1"


@pytest.mark.parametrize(
    ("root", "prefix"),
    [("", ""), ("/", ""), ("a", "a/"), ("/a", "a/"), ("a/", "a/"), ("/x/y/", "x/y/"), (None, "")],
)
def test_prefix(root: str | None, prefix: str) -> None:
    assert settings(rootdirectory=root).prefix == prefix


@pytest.mark.parametrize(
    ("text", "secure", "url"),
    [
        ("minio", True, "https://minio"),
        ("minio:9000", True, "https://minio:9000"),
        ("minio:9000", False, "http://minio:9000"),
        ("http://minio:9000", True, "http://minio:9000"),
        ("https://s3.example.org/", False, "https://s3.example.org"),
        ("[::1]:9000", False, "http://[::1]:9000"),
        ("", True, None),
    ],
)
def test_endpoint(text: str, secure: bool, url: str | None) -> None:
    """Its own scheme, or the one that ``secure`` means."""
    assert settings(regionendpoint=text, secure=secure).endpoint == url


@pytest.mark.parametrize(
    "text",
    [
        "ftp://minio",
        "http://",
        "http://user:PASSWORD@minio",
        "PASSWORD@minio",
        "http://minio?key=PASSWORD",
        "http://minio#PASSWORD",
        "minio:PASSWORD",
        "http://[::1",
    ],
)
def test_no_endpoint(text: str) -> None:
    with pytest.raises(ConfigurationError, match="regionendpoint") as caught:
        settings(regionendpoint=text)
    assert "PASSWORD" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(("given", "style"), [(None, "auto"), (True, "path"), (False, "virtual")])
def test_path_style(given: bool | None, style: str) -> None:
    assert settings(forcepathstyle=given).addressing_style == style


@pytest.mark.parametrize(
    ("members", "arguments"),
    [
        ({"encrypt": True}, {"ServerSideEncryption": "AES256"}),
        (
            {"encrypt": True, "keyid": "k"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k"},
        ),
        ({"encrypt": False, "keyid": "k"}, {}),
        ({"storageclass": "standard_ia"}, {"StorageClass": "STANDARD_IA"}),
        ({"storageclass": "NONE"}, {}),
        ({"objectacl": "bucket-owner-full-control"}, {"ACL": "bucket-owner-full-control"}),
    ],
)
def test_new_object(members: dict[str, object], arguments: dict[str, str]) -> None:
    plain = {"ContentType": "application/octet-stream"}
    assert settings(**members).new_object == {**plain, **arguments}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("chunksize", 5 * MIB - 1),
        ("chunksize", 6 << 30),
        ("chunksize", "10"),
        ("chunksize", True),
        ("multipartcopychunksize", 1),
        ("multipartcopythresholdsize", -1),
        ("multipartcopythresholdsize", (5 << 30) + 1),
        ("multipartcopymaxconcurrency", 0),
        ("secure", "yes"),
        ("encrypt", 1),
        ("forcepathstyle", "true"),
        ("keyid", 7),
        ("bucket", ""),
        ("bucket", None),
        ("rootdirectory", 7),
    ],
)
def test_bad_member(member: str, value: object) -> None:
    """The member is named, whatever is wrong with it."""
    with pytest.raises(ConfigurationError, match=member):
        settings(**{member: value})


def test_copies_are_bounded() -> None:
    assert settings(multipartcopymaxconcurrency=10_000).copy_concurrency == MAX_COPIES
    assert settings(multipartcopymaxconcurrency=3).copy_concurrency == 3


@pytest.mark.parametrize(
    "members",
    [
        {"accesskey": "AKIAHIDDEN"},
        {"secretkey": "HIDDEN"},
        {"sessiontoken": "HIDDEN"},
        {"secretkey": "HIDDEN", "sessiontoken": "HIDDEN"},
    ],
)
def test_a_part_of_the_credentials(members: dict[str, object]) -> None:
    """Else somebody else's rights would be used, without a word."""
    with pytest.raises(ConfigurationError, match="part of the credentials") as caught:
        settings(**members)
    assert "HIDDEN" not in f"{caught.value} {caught.value.hint}"


def test_credentials_are_not_shown() -> None:
    found = settings(accesskey="AKIAHIDDEN", secretkey="HIDDEN1", sessiontoken="HIDDEN2")
    assert (found.access_key, found.secret_key, found.session_token) == (
        "AKIAHIDDEN",
        "HIDDEN1",
        "HIDDEN2",
    )
    assert "HIDDEN" not in repr(found)


def test_version_2_signatures() -> None:
    """Refused, with what to do: the registry knows them, the SDK half."""
    with pytest.raises(ConfigurationError, match="version 2") as caught:
        settings(regionendpoint="ceph", v4auth=False)
    assert "REGISTRY_STORAGE_S3_V4AUTH=true" in str(caught.value.hint)
    assert settings(v4auth=True).endpoint is None


@pytest.mark.parametrize("member", ["accelerate", "usedualstack", "usefipsendpoint"])
def test_amazons_own_endpoints(member: str) -> None:
    settings(**{member: True})
    with pytest.raises(ConfigurationError, match=member):
        settings(**{member: True, "regionendpoint": "minio"})


def test_every_member_is_read() -> None:
    """No member that the configuration knows is dropped in silence."""
    read: set[str] = set()

    class Watched(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            read.add(key)
            return super().get(key, default)

    read_settings(Watched(bucket="reg", encrypt=True))
    assert read == set(MEMBERS["s3"])
