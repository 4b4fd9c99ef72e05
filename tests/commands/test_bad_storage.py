"""A storage that is not there, not ours, or not what it should be: one clear line and an exit code,
whatever was asked, and never an empty registry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.commands.handles import GCS, S3, Storage, blob_at, in_repository
from tests.commands.running import check_no_secret, check_refusal, regctl
from tests.drivers.s3.tls import make_certificate, tls_server
from tests.images import Image
from tests.servers.faults import Answer, FaultProxy, s3_error
from tests.servers.gcs_json import GCSServer
from tests.servers.processes import free_port
from tests.servers.s3 import Credentials, S3Endpoint

NONE = "sha256:" + "0" * 64
#: Every command that opens a storage.
LINES = [
    ["ls"],
    ["ls", "app"],
    ["inspect", "app:v1"],
    ["history", "app:v1"],
    ["uploads"],
    ["pull-layer", "app", NONE],
    ["pull-manifest", "app:v1"],
    ["push-layer", "app", "-"],
    ["push-manifest", "app:v1", "-"],
    ["tag", "app:v1", "v2"],
    ["untag", "app:v1", "--yes"],
    ["rm", f"app@{NONE}", "--yes"],
    ["verify"],
]
SESSION = "a-session-token-that-must-not-be-said"


def every_command(storage: Storage, *words: str, hint: str | None = None, code: int = 5) -> None:
    """Each of them says so in one line, without any secret."""
    for line in LINES:
        result = regctl(*line, storage=storage, stdin=b"{}")
        check_refusal(result, code, *words, hint=hint)
        check_no_secret(result, storage)
        assert len(result.err.splitlines()) <= 2, result.err
    data = regctl("ls", "--format=json", storage=storage)
    assert (data.code, data.error["exit_code"]) == (code, code)


@contextmanager
def web_server(status: int, body: bytes) -> Iterator[str]:
    """The URL of a web server that says the same to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - as it is above

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is above
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def elsewhere(url: str, bucket: str = "registry") -> S3:
    """A bucket at a server that is none of the tests' own."""
    nobody = Credentials("AKIANOBODY0000000000", "nothing-anybody-would-know")
    return S3(S3Endpoint(url, bucket, nobody, nobody), "prefix")


@pytest.fixture
def s3(s3_server: S3Endpoint, s3_prefix: str, filled_once: dict[str, bytes]) -> S3:
    """A storage on SeaweedFS that has ``app:v1``."""
    storage = S3(s3_server, s3_prefix)
    storage.fill(filled_once)
    return storage


@pytest.fixture
def moto(moto_server: S3Endpoint, moto_prefix: str, filled_once: dict[str, bytes]) -> S3:
    """The same on moto, which takes every key."""
    storage = S3(moto_server, moto_prefix)
    storage.fill(filled_once)
    return storage


@pytest.fixture
def gcs(gcs_server: GCSServer, filled_once: dict[str, bytes]) -> GCS:
    """The same on the tests' own GCS server."""
    storage = GCS(gcs_server, "prefix")
    storage.fill(filled_once)
    return storage


# --- who asks, and where -------------------------------------------------------------------------


def test_no_such_bucket(s3_server: S3Endpoint) -> None:
    there = S3Endpoint(s3_server.url, "no-such-bucket", s3_server.ci, s3_server.ro)
    every_command(S3(there, "prefix"), "there is no bucket 'no-such-bucket'", hint="region")


def test_no_such_bucket_of_gcs(gcs_server: GCSServer) -> None:
    storage = GCS(gcs_server, "prefix")
    storage.url = "gs://no-such-bucket/prefix"
    every_command(storage, "there is no bucket no-such-bucket", hint="bucket")


def test_another_region(s3: S3, s3_proxy: FaultProxy) -> None:
    body = (
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong</Message>"
        "<Region>eu-central-1</Region></Error>"
    )
    s3_proxy.inject(Answer(400, body, "application/xml"), times=None)
    every_command(s3.behind(s3_proxy.url), "the bucket is in eu-central-1", hint="region")


def test_no_credentials(s3: S3) -> None:
    s3.environ = {name: each for name, each in s3.environ.items() if "_KEY" not in name}
    every_command(s3, "no credentials were found", hint="AWS_ACCESS_KEY_ID")


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("AWS_SECRET_ACCESS_KEY", "the secret key does not fit the access key"),
        ("AWS_ACCESS_KEY_ID", "the server does not know the access key"),
    ],
)
def test_other_credentials(s3: S3, variable: str, words: str) -> None:
    s3.environ[variable] = "AKIANOBODY0000000000"
    every_command(s3, words, hint="belong to this endpoint")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredToken", "the credentials have expired"),
        ("InvalidToken", "does not accept the session token"),
    ],
)
def test_a_session_that_is_over(s3: S3, s3_proxy: FaultProxy, code: str, words: str) -> None:
    storage = s3.behind(s3_proxy.url)
    storage.environ["AWS_SESSION_TOKEN"] = SESSION
    s3_proxy.inject(s3_error(400, code), times=None)
    every_command(storage, words)


def test_who_may_only_read(s3: S3, image: Image) -> None:
    """What may be done is done, what may not is said, and is not done."""
    reader = S3(s3.server, s3.prefix, s3.server.ro)
    before = s3.snapshot()
    for line in (["ls"], ["inspect", "app:v1"], ["pull-manifest", "app:v1"], ["history", "app:v1"]):
        assert regctl(*line, storage=reader).code == 0
    layer = image.layers[0]
    pulled = regctl("pull-layer", "app", str(layer.digest), storage=reader)
    assert pulled.stdout == layer.content
    for line in (
        ["push-layer", "app", "-"],
        ["push-layer", "new", "-"],
        ["push-manifest", "app:v2", "-"],
        ["tag", "app:v1", "v2"],
        ["untag", "app:v1", "--yes"],
        ["rm", f"app@{image.digest}", "--force", "--yes"],
    ):
        result = regctl(*line, storage=reader, stdin=image.manifest.content)
        check_refusal(result, 5, "denies access", hint="policies")
        check_no_secret(result, reader)
    assert s3.snapshot() == before


@pytest.mark.parametrize(
    ("status", "words"), [(401, "asks for credentials"), (403, "refuses this access")]
)
def test_gcs_denies(gcs: GCS, status: int, words: str) -> None:
    with FaultProxy(gcs.server.url) as proxy:
        body = '{"error": {"code": %d, "message": "Anonymous caller does not have access"}}'
        proxy.inject(Answer(status, body % status, "application/json"), times=None)
        gcs.environ["STORAGE_EMULATOR_HOST"] = proxy.url
        every_command(gcs, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), ("{", "is no JSON"), ('{"type": "x"}', "no key of a service account")],
)
def test_a_key_file_of_gcs_that_is_none(
    gcs: GCS, tmp_path: Path, content: str | None, words: str
) -> None:
    key = tmp_path / "key.json"
    if content is not None:
        key.write_text(content)
    gcs.url += f"?keyfile={key}"
    every_command(gcs, "key.json", words, code=2)


# --- what answers --------------------------------------------------------------------------------


def test_nobody_answers() -> None:
    every_command(elsewhere(f"http://127.0.0.1:{free_port()}"), "cannot be reached")


@pytest.mark.parametrize("status", [404, 403, 400])
def test_a_web_server_is_no_s3(status: int) -> None:
    with web_server(status, b"<html><body>Not here</body></html>") as url:
        every_command(elsewhere(url), "not S3", hint="regionendpoint")


def test_a_web_server_is_no_gcs(gcs: GCS) -> None:
    with web_server(200, b"<html><body>Welcome</body></html>") as url:
        gcs.environ["STORAGE_EMULATOR_HOST"] = url
        every_command(gcs, "not Cloud Storage", hint="STORAGE_EMULATOR_HOST")


def test_tls_that_does_not_verify(tmp_path: Path) -> None:
    with tls_server(make_certificate(tmp_path)) as url:
        every_command(elsewhere(url), "certificate", "does not verify", hint="AWS_CA_BUNDLE")


def test_tls_where_none_is_spoken(s3: S3) -> None:
    url = s3.server.url.replace("http:", "https:")
    every_command(S3(s3.server.behind(url), s3.prefix), "TLS with", hint="regionendpoint")


def test_no_tls_where_it_is_spoken(tmp_path: Path) -> None:
    with tls_server(make_certificate(tmp_path)) as url:
        for line in LINES[:3]:
            storage = elsewhere(url.replace("https:", "http:"))
            check_refusal(regctl(*line, storage=storage), 5)


def test_a_bucket_of_something_else(s3: S3) -> None:
    """Content and no docker/registry/v2 is no registry, and not an empty one."""
    s3.server.put(f"{s3.prefix}/backups/2024/file", b"x")
    beside = S3(s3.server, f"{s3.prefix}/backups")
    for line in (["ls"], ["push-layer", "app", "-"], ["uploads"]):
        check_refusal(regctl(*line, storage=beside, stdin=b"x"), 2, "is not a registry's")
    assert s3.server.keys(f"{s3.prefix}/backups") == [f"{s3.prefix}/backups/2024/file"]


# --- what else is in it --------------------------------------------------------------------------


def test_markers_of_directories_and_stray_keys(moto: S3, image: Image) -> None:
    """Consoles and other tools leave them: what is known is seen as if they were not there."""
    tree = "docker/registry/v2"
    markers = [
        "",
        "docker/",
        f"{tree}/",
        f"{tree}/blobs/",
        f"{tree}/blobs/sha256/",
        f"{tree}/repositories/app/",
        f"{tree}/repositories/app/_manifests/tags/",
        f"{tree}/repositories/app/_manifests/tags/v1/",
        f"{tree}/repositories/app/_layers/sha256/",
    ]
    strays = [
        f"{tree}/stray",
        f"{tree}/repositories/.DS_Store",
        f"{tree}/repositories/app/README",
        f"{tree}/repositories/app/_manifests/tags/stray",
        f"{tree}/blobs/sha256/00/stray",
    ]
    usual = {" ".join(line): regctl(*line, storage=moto) for line in LINES[:4]}
    for path in (*markers, *strays):
        moto.write(path, b"")
    for said, before in usual.items():
        after = regctl(*said.split(), storage=moto)
        assert (after.code, after.out) == (before.code, before.out), after.err
        assert "Traceback" not in after.err
    assert regctl("uploads", storage=moto).lines == []
    pushed = regctl("push-layer", "app", "-", storage=moto, stdin=b"new")
    assert pushed.code == 0, pushed.err
    tagged = regctl("tag", "app:v1", "v2", storage=moto)
    assert tagged.code == 0, tagged.err
    assert regctl("ls", "app", storage=moto).lines == ["v1", "v2"]
    assert regctl("untag", "app:v1", "--yes", storage=moto).code == 0
    # The marker looks like a tag that names nothing, to registries too.
    assert regctl("ls", "app", storage=moto).lines == ["v1", "v2"]
    check_refusal(regctl("inspect", "app:v1", storage=moto), 3, "v1")
    assert {*markers, *strays} <= set(moto.files())
    verified = regctl("verify", "--require", "present", storage=moto)
    assert verified.code in (0, 1), verified.err


@pytest.mark.parametrize(
    "name",
    [
        "//x",
        "app//_layers",
        "app/../x",
        "./app",
        "back\\slash",
        "<a> & b",
        "\u00e9\u4e2d",
        "a" * 300,
    ],
)
def test_keys_with_odd_characters(moto: S3, name: str) -> None:
    """They cannot be what a registry wrote: reported perhaps, never touched, and no way out."""
    key = f"docker/registry/v2/repositories/{name}/link"
    usual = {" ".join(line): regctl(*line, storage=moto) for line in (["ls", "app"], ["uploads"])}
    moto.write(key, b"sha256:" + b"0" * 64)
    before = moto.files()
    listed = regctl("ls", storage=moto)
    assert listed.code == 0, listed.err
    assert {"app", "team/multi"} <= set(listed.lines)
    for said, result in usual.items():
        after = regctl(*said.split(), storage=moto)
        assert (after.code, after.out) == (result.code, result.out), after.err
    assert regctl("inspect", "app:v1", storage=moto).code == 0
    assert moto.files() == before


@pytest.mark.parametrize("where", ["s3", "gcs"])
def test_a_blob_that_is_replaced_by_another(
    request: pytest.FixtureRequest, where: str, image: Image, tmp_path: Path
) -> None:
    """Of another size or of the same: damage, with the digest, and no file."""
    storage: Storage = request.getfixturevalue(where)
    layer = image.layers[0]
    for content in (layer.content[:-1], layer.content[:-1] + b"!"):
        storage.write(blob_at(layer.digest), content)
        target = tmp_path / "out"
        line = ("pull-layer", "app", str(layer.digest), "-o", target)
        check_refusal(regctl(*line, storage=storage), 5, str(layer.digest))
        assert list(tmp_path.glob("out*")) == []
    storage.remove(blob_at(layer.digest))
    check_refusal(regctl(*line, storage=storage), 5, "missing")
    storage.remove(in_repository("app", f"_layers/sha256/{layer.digest.hex}/link"))
    check_refusal(regctl(*line, storage=storage), 3, "is not linked")
