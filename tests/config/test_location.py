"""Storages by URL."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.config.location import parse_location
from regctl.errors import ConfigurationError

SECRET = "hunter2"


def refusal(text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        parse_location(text, "--storage")
    error = caught.value
    assert "--storage" in error.message
    assert SECRET not in f"{error} {error.hint} {error.__cause__}"
    return error


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("/srv/registry", "/srv/registry"),
        ("/srv/registry/", "/srv/registry"),
        ("/srv/re gistry%20", "/srv/re gistry%20"),
        ("/srv/a?b#c", "/srv/a?b#c"),
        ("/", "/"),
        ("file:///srv/registry", "/srv/registry"),
        ("FILE:///srv/registry", "/srv/registry"),
        ("file://localhost/srv/registry", "/srv/registry"),
        ("file:///srv/re%20gistry%3F", "/srv/re gistry?"),
        ("file:///srv/a+b", "/srv/a+b"),
        ("file:///srv/%ff", "/srv/\udcff"),
    ],
)
def test_directories(text: str, root: str) -> None:
    settings = parse_location(text, "--storage")
    assert (settings.driver, settings.parameters) == ("filesystem", {"rootdirectory": root})
    assert settings.describe() == f"{root} (from --storage)"


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("storage", "./storage"):
        settings = parse_location(text, "REGCTL_STORAGE")
        assert settings.parameters["rootdirectory"] == str(tmp_path / "storage")
    assert parse_location("./s3:x", "x").parameters["rootdirectory"] == str(tmp_path / "s3:x")


def test_dots_lead_where_the_system_would_go(tmp_path: Path) -> None:
    """Through a symlink, ``link/..`` is not the directory that the link is in."""
    (tmp_path / "deep" / "real").mkdir(parents=True)
    (tmp_path / "link").symlink_to("deep/real")
    settings = parse_location(f"{tmp_path}/link/../storage", "--storage")
    assert settings.parameters["rootdirectory"] == os.path.realpath(tmp_path / "deep" / "storage")


def test_a_bucket_in_s3() -> None:
    settings = parse_location(
        "s3://images/prod/eu%20west/?region=eu-west-1&endpoint=https%3A%2F%2Fminio%3A9000"
        "&forcepathstyle=true&chunksize=10485760&secure=False&v4auth=0",
        "--storage",
    )
    assert settings.driver == "s3"
    assert settings.parameters == {
        "bucket": "images",
        "rootdirectory": "prod/eu west",
        "region": "eu-west-1",
        "regionendpoint": "https://minio:9000",
        "forcepathstyle": True,
        "chunksize": 10485760,
        "secure": False,
        "v4auth": False,
    }
    assert settings.describe() == "s3://images/prod/eu west at minio:9000 (from --storage)"


def test_a_bucket_in_gcs() -> None:
    settings = parse_location(
        "gs://Images?keyfile=/etc/key.json&chunksize=262144", "REGCTL_STORAGE"
    )
    assert settings.driver == "gcs"
    assert settings.parameters == {
        "bucket": "Images",
        "keyfile": "/etc/key.json",
        "chunksize": 262144,
    }
    assert settings.describe() == "gs://Images (from REGCTL_STORAGE)"


def test_the_prefix_can_be_a_key() -> None:
    by_path = parse_location("s3://b/a/b", "x")
    by_key = parse_location("s3://b?rootdirectory=a/b", "x")
    assert by_path == by_key
    assert "twice" in refusal("s3://b/a?rootdirectory=a").message


@pytest.mark.parametrize("key", ["accesskey", "secretkey", "sessiontoken", "SecretKey"])
@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_credentials_are_refused(scheme: str, key: str) -> None:
    """Command lines are in every process list and shell history."""
    error = refusal(f"{scheme}://bucket?{key}={SECRET}")
    assert key.lower() in error.message
    assert "credentials" in refusal("gs://bucket?credentials={}").message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not a path"),
        ("a\0b", "not a path"),
        ("file:///a%00b", "NUL"),
        ("file://host/srv", "host"),
        ("file://", "no path"),
        ("file:///srv?x=y", "query"),
        ("file:///srv#x", "%23"),
        ("file:/srv", "without //"),
        ("s3:bucket", "without //"),
        ("http://registry.example", "http://"),
        ("gcs://bucket", "gcs://"),
        ("azure://container", "azure://"),
        ("s3://", "bucket"),
        ("s3:///prefix", "bucket"),
        ("s3://bucket:80/x", "bucket"),
        ("s3://-bucket", "bucket"),
        ("s3://bu%2Fcket", "bucket"),
        ("s3://[::1", "not a URL"),
        (f"s3://[{SECRET}]x/", "not a URL"),
        (f"s3://key:{SECRET}@bucket/x", "password"),
        (f"file://{SECRET}@localhost/x", "password"),
        ("s3://bucket/a#b", "%23"),
        ("s3://bucket/a\nb", "%0A"),
        ("s3://bucket?bucket=other", "'bucket'"),
        ("s3://bucket?color=red", "'color'"),
        ("s3://bucket?Region=x", "'Region'"),
        ("gs://bucket?region=x", "'region'"),
        ("gs://bucket?endpoint=x", "'endpoint'"),
        ("s3://bucket?region=a&region=b", "region is given twice"),
        ("s3://bucket?endpoint=a&regionendpoint=b", "regionendpoint is given twice"),
        (f"s3://bucket?{SECRET}", "key=value"),
        ("s3://bucket?region=%ff", "key=value"),
        (f"s3://bucket?secure={SECRET}", "secure must be true or false"),
        (f"s3://bucket?chunksize={SECRET}", "chunksize must be a whole number"),
        ("s3://bucket?chunksize=1__0", "chunksize must be a whole number"),
    ],
)
def test_what_is_no_storage_is_refused(text: str, expected: str) -> None:
    assert expected in refusal(text).message


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_path_can_be_written_as_a_url(name: str) -> None:
    path = "/srv/" + name.replace("/", "|").replace("..", "x")
    by_url = parse_location("file://" + quote(path), "x")
    assert by_url.parameters["rootdirectory"] == os.path.abspath(path)
    assert parse_location(path, "x") == by_url


@given(st.sampled_from(["s3://", "gs://", "file://", ""]), st.text())
def test_nothing_else_is_raised(scheme: str, rest: str) -> None:
    try:
        settings = parse_location(scheme + rest, "--storage")
    except ConfigurationError:
        return
    assert settings.describe().endswith(" (from --storage)")


def test_a_password_in_an_endpoint_is_not_described() -> None:
    settings = parse_location(f"s3://b?endpoint=https://key:{SECRET}@minio:9000/x", "--storage")
    assert settings.describe() == "s3://b at minio:9000 (from --storage)"
    assert SECRET not in repr(settings)
