"""Bad input: one clear line each, the right class, and no secret."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import urllib3.exceptions
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions as auth

from regctl.drivers.gcs import errors
from regctl.drivers.gcs.driver import GCSDriver, open_gcs
from regctl.drivers.gcs.errors import NoSuchBucketError, NotGcsError
from regctl.errors import (
    ConfigurationError,
    DeniedError,
    NoSpaceError,
    PathNotFoundError,
    RegctlError,
    StorageError,
    UnavailableError,
)
from tests.servers.faults import Answer, Drop, FaultProxy
from tests.servers.gcs_fixtures import GCSOpener
from tests.servers.gcs_json import GCSServer
from tests.servers.processes import free_port


def api_error(status: int, message: str, reason: str = "x") -> Answer:
    error = {"code": status, "message": message, "errors": [{"reason": reason}]}
    return Answer(status, json.dumps({"error": error}), "application/json")


def subclasses(base: type[BaseException]) -> Iterator[type[BaseException]]:
    yield base
    for each in base.__subclasses__():
        yield from subclasses(each)


@pytest.mark.parametrize(
    "base", [auth.GoogleAuthError, requests.RequestException, urllib3.exceptions.HTTPError]
)
def test_every_error_of_the_libraries_is_mapped(base: type[BaseException]) -> None:
    """Also those that a later version brings."""
    for kind in subclasses(base):
        error = kind.__new__(kind)
        error.__dict__.update(
            partial=1, expected=2, length=3, response=None
        )  # of urllib3's, for its own text
        BaseException.__init__(error, "ya29.secret-token upload_id=secret")
        found = errors.translate(error, "/a/b")
        assert isinstance(found, RegctlError), kind
        assert "secret" not in str(found), kind


def test_what_is_none_of_theirs_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        errors.translate(ZeroDivisionError(), "/a")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (api_error(401, "Invalid Credentials"), DeniedError, "there are none"),
        (api_error(403, "me@x does not have storage.objects.get access"), DeniedError, "does not"),
        (api_error(403, "too fast", "rateLimitExceeded"), UnavailableError, "too fast"),
        (api_error(403, "full", "quotaExceeded"), NoSpaceError, "full"),
        (api_error(400, "Invalid argument."), StorageError, "400: Invalid argument."),
        (Answer(302, "", headers={"Location": "http://x"}), NotGcsError, "elsewhere"),
        (Answer(405, "<html><body>nginx</body></html>", "text/html"), StorageError, "405"),
        (Answer(200, "<html>welcome</html>", "text/html"), NotGcsError, "no JSON"),
        (Answer(429), UnavailableError, "429"),
        (Answer(503), UnavailableError, "503"),
        (Drop(), UnavailableError, "cannot be reached|broke"),
        (api_error(400, "see upload_id=abcdef and ya29.xyz"), StorageError, "(hidden)"),
    ],
)
def test_answers(
    proxy: FaultProxy,
    faulty: GCSDriver,
    answer: Answer,
    kind: type[RegctlError],
    words: str,
) -> None:
    proxy.inject(answer, times=None)
    with pytest.raises(kind, match=words) as caught:
        faulty.stat("/a/b", files_only=True)
    assert "abcdef" not in str(caught.value)
    assert "xyz" not in str(caught.value)
    # What may pass is tried again, and not for ever; nothing else is.
    assert proxy.count() == (4 if isinstance(caught.value, UnavailableError) else 1)


def test_denied_for_one_verb(proxy: FaultProxy, faulty: GCSDriver) -> None:
    """A read that is refused is no absence, and others go on."""
    faulty.put("/a/b", b"x")
    proxy.inject(api_error(403, "no get"), method="GET", times=None)
    for look in (
        faulty.read,
        faulty.stat,
        faulty.list,
        lambda path: faulty.get(path, 9),
        lambda path: list(faulty.walk(path)),
        lambda path: faulty.move(path, "/c"),
        lambda path: list(faulty.unfinished(path)),
    ):
        with pytest.raises(DeniedError, match="no get"):
            look("/a/b")
    proxy.inject(api_error(403, "no delete"), method="DELETE", times=None)
    with pytest.raises(DeniedError, match="no delete"):
        faulty.delete("/a/b")
    faulty.put("/a/b", b"y")


def test_no_bucket(gcs_server: GCSServer, open_driver_at: GCSOpener) -> None:
    """Nothing is absent in a bucket that is not there."""
    for look in (
        lambda driver: driver.read("/a"),
        lambda driver: driver.stat("/a"),
        lambda driver: driver.stat("/a", files_only=True),
        lambda driver: driver.stat("/"),
        lambda driver: driver.list("/"),
        lambda driver: driver.get("/a", 9),
        lambda driver: driver.delete("/a"),
        lambda driver: driver.move("/a", "/b"),
        lambda driver: driver.put("/a", b""),
        lambda driver: driver.writer("/a"),
        lambda driver: driver.writer("/a", append=True),
        lambda driver: driver.now(),
        lambda driver: list(driver.walk("/")),
        lambda driver: list(driver.unfinished("/")),
    ):
        driver = open_driver_at(gcs_server.url, bucket="none")
        with pytest.raises(NoSuchBucketError, match="no bucket none"):
            look(driver)


def test_nobody_answers(open_driver_at: GCSOpener) -> None:
    driver = open_driver_at(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnavailableError, match="cannot be reached"):
        driver.stat("/a")


@pytest.mark.parametrize("endpoint", ["127.0.0.1:1", "ftp://x", "http://", "x"])
def test_endpoint_that_is_no_url(open_driver_at: GCSOpener, endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="no URL"):
        open_driver_at(endpoint)


def test_certificate_that_does_not_verify(tmp_path: Path, open_driver_at: GCSOpener) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-keyout", tmp_path / "key", "-out", tmp_path / "cert"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), http.server.BaseHTTPRequestHandler
    ) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            driver = open_driver_at(f"https://127.0.0.1:{server.server_address[1]}")
            with pytest.raises(StorageError, match=r"certificate of .* does not verify") as caught:
                driver.stat("/a")
        finally:
            server.shutdown()
            thread.join()
    assert not isinstance(caught.value, UnavailableError)


@pytest.fixture(scope="module")
def key() -> str:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def account(key: str, gcs_server: GCSServer) -> dict[str, str]:
    """A service account whose token server is the tests' own."""
    return {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": key,
        "client_email": "regctl@p.iam.gserviceaccount.com",
        "token_uri": f"{gcs_server.url}/token",
    }


@pytest.mark.parametrize("inline", [True, False])
def test_service_account(
    tmp_path: Path,
    gcs_server: GCSServer,
    open_driver_at: GCSOpener,
    account: dict[str, str],
    inline: bool,
) -> None:
    """A token goes with every request, and with none to an upload session."""
    keyfile = tmp_path / "key.json"
    keyfile.write_text(json.dumps(account))
    members: dict[str, object] = {"credentials": account} if inline else {"keyfile": str(keyfile)}
    driver = open_driver_at(gcs_server.url, **members)
    with driver.writer("/a/data") as writer:
        writer.write(b"x" * 3_000_000)
        writer.commit()
    driver.move("/a/data", "/b")
    assert driver.stat("/b").size == 3_000_000
    sessions = [headers for _, path, headers in gcs_server.log if "upload_id=" in path]
    others = [
        headers
        for _, path, headers in gcs_server.log
        if "upload_id=" not in path and path != "/token"
    ]
    assert sessions
    assert not any("Authorization" in headers for headers in sessions)
    assert {headers["Authorization"] for headers in others} == {"Bearer ya29.of-the-tests"}


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "no secret-thing"}, DeniedError),
        (503, {"error": "unavailable"}, UnavailableError),
    ],
)
def test_refused_by_the_token_server(
    gcs_server: GCSServer,
    open_driver_at: GCSOpener,
    account: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    answer: dict[str, object],
    kind: type[RegctlError],
) -> None:
    gcs_server.token = (status, answer)
    # The SDK's own pauses between its tries are of seconds.
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda _: None)
    driver = open_driver_at(gcs_server.url, credentials=account)
    with pytest.raises(kind, match="token") as caught:
        driver.stat("/a")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("{", "no JSON"),
        ("[]", "no key of a service account"),
        ('{"type": "authorized_user", "refresh_token": "secret"}', "no key of a service account"),
        ('{"type": "service_account", "private_key": "secret"}', "cannot be read"),
    ],
)
def test_keyfile_that_is_none(tmp_path: Path, content: str | None, words: str) -> None:
    keyfile = tmp_path / "key.json"
    if content is not None:
        keyfile.write_text(content)
    with pytest.raises(ConfigurationError, match=words) as caught:
        open_gcs({"bucket": "b", "keyfile": str(keyfile)})
    assert str(keyfile) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_inline_credentials_that_are_none(account: dict[str, str]) -> None:
    for broken in ({**account, "private_key": "secret"}, {"type": "service_account"}, "secret"):
        with pytest.raises(ConfigurationError) as caught:
            open_gcs({"bucket": "b", "credentials": broken})
        assert "secret" not in str(caught.value)


def test_application_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: dict[str, str]
) -> None:
    """What somebody gave and is none is an error, and no reason to go anonymous."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
    with pytest.raises(ConfigurationError, match="application default"):
        open_gcs({"bucket": "b"})
    (tmp_path / "adc.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="application default"):
        open_gcs({"bucket": "b"})
    (tmp_path / "adc.json").write_text(json.dumps(account))
    assert open_gcs({"bucket": "b"}).store.endpoint == "https://storage.googleapis.com"


def test_anonymous(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any credentials requests go without: a bucket may be public."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    driver = open_gcs({"bucket": "b"})
    assert driver.store.endpoint == "https://storage.googleapis.com"


def test_representations_hold_no_secret(
    account: dict[str, str], open_driver_at: GCSOpener, gcs_server: GCSServer
) -> None:
    from regctl.drivers.gcs.parameters import parse
    from regctl.drivers.gcs.sessions import Session
    from regctl.drivers.gcs.uploads import Record

    store = open_driver_at(gcs_server.url).store
    shown = [
        repr(parse({"bucket": "b", "credentials": account})),
        repr(store),
        repr(Session(store, "/a", "http://x/?upload_id=1")),
        repr(Record("http://x/?upload_id=1", 5, None)),
    ]
    assert not any("PRIVATE" in text or "upload_id" in text for text in shown)


def test_path_that_is_no_key(gcs_driver: GCSDriver) -> None:
    """GCS has no names that are not UTF-8: nothing is there."""
    for look in (gcs_driver.stat, gcs_driver.read, gcs_driver.delete, gcs_driver.list):
        with pytest.raises(PathNotFoundError):
            look("/a/\udcff")
