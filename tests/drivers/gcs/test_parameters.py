"""The members of storage.gcs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from regctl.drivers import open_driver
from regctl.drivers.gcs.driver import open_gcs
from regctl.drivers.gcs.parameters import DEFAULT_CHUNK_BYTES, LARGEST_CHUNK_BYTES, parse
from regctl.errors import ConfigurationError
from tests.servers.gcs_fixtures import GCSOpener
from tests.servers.gcs_json import GCSServer


def test_defaults() -> None:
    parameters = parse({"bucket": "b"})
    assert parameters.prefix == ""
    assert parameters.chunk_bytes == DEFAULT_CHUNK_BYTES
    assert parameters.max_concurrency is None


@pytest.mark.parametrize("root", ["a/b", "/a/b", "a/b/", "/a/b//"])
def test_prefix(root: str) -> None:
    """As Distribution cuts it: without slashes at its ends, and with one behind."""
    assert parse({"bucket": "b", "rootdirectory": root}).prefix == "a/b/"


@pytest.mark.parametrize("root", ["", "/", "//", None])
def test_no_prefix(root: str | None) -> None:
    assert parse({"bucket": "b", "rootdirectory": root}).prefix == ""


def test_chunk() -> None:
    assert parse({"bucket": "b", "chunksize": 512 << 10}).chunk_bytes == 512 << 10
    assert parse({"bucket": "b", "chunksize": 1 << 30}).chunk_bytes == LARGEST_CHUNK_BYTES


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"bucket": ""},
        {"bucket": "a/b"},
        {"bucket": 5},
        {"bucket": "b", "chunksize": 100},
        {"bucket": "b", "chunksize": 0},
        {"bucket": "b", "chunksize": (256 << 10) + 1},
        {"bucket": "b", "maxconcurrency": 0},
        {"bucket": "b", "rootdirectory": 5},
        {"bucket": "b", "keyfile": ""},
        {"bucket": "b", "credentials": "text"},
    ],
)
def test_refused(members: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        parse(members)


def test_jobs(gcs_server: GCSServer, open_driver_at: GCSOpener) -> None:
    """As many requests in flight as jobs, or as the configuration allows."""
    assert open_driver_at(gcs_server.url, jobs=7).store.jobs == 7
    assert open_driver_at(gcs_server.url, jobs=7, maxconcurrency=3).store.jobs == 3
    assert open_driver_at(gcs_server.url, jobs=7, maxconcurrency=50).store.jobs == 7


def test_nothing_is_sent(gcs_server: GCSServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
    open_gcs({"bucket": "b"})
    assert not gcs_server.log


def test_by_name(gcs_server: GCSServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
    driver = open_driver("gcs", {"bucket": "regctl-tests", "rootdirectory": "/x"}, jobs=3)
    assert driver.name == "gcs"
    driver.put("/a", b"x")
    assert list(gcs_server.bucket.objects) == ["x/a"]


def test_the_sdk_is_loaded_by_nobody_else() -> None:
    """Start-up pays for no SDK."""
    code = (
        "import sys, regctl.cli, regctl.drivers, regctl.drivers.gcs;"
        "sys.exit(any(name.split('.')[0] in {'google', 'requests'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
