"""What the README shows of object storage: it is run on real servers and prints just that."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import images
from tests.images import Blob
from tests.servers.gcs_json import GCSServer
from tests.servers.processes import environment
from tests.servers.s3 import S3Endpoint

README = (Path(__file__).parent.parent / "README.md").read_text()
#: The storages that the README shows, which are the tests' own when it is run.
S3, S3_HOST, GCS = "registry/team-a", "127.0.0.1:8333", "gs://registry/team-a"


def block(name: str, language: str) -> str:
    """The block of the README between the marks ``name``."""
    pattern = rf"<!-- {name}:begin -->\n```{language}\n(.*?)```\n<!-- {name}:end -->"
    match = re.search(pattern, README, re.DOTALL)
    assert match is not None, name
    return match[1]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with the layer, the config and the manifest of an image."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("hello.txt")
        entry.size = 19
        tar.addfile(entry, io.BytesIO(b"hello from a layer\n"))
    # Not compressed: what compresses differs from one machine to another.
    pack = zlib.compressobj(0, zlib.DEFLATED, 31)
    layer = Blob(pack.compress(out.getvalue()) + pack.flush(), images.OCI_LAYER)
    config = Blob(b'{"architecture":"amd64","os":"linux"}', images.OCI_CONFIG)
    manifest = {
        "schemaVersion": 2,
        "mediaType": images.OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    }
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "layer.tar.gz").write_bytes(layer.content)
    (directory / "config.json").write_bytes(config.content)
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory


def run(shown: str, directory: Path, environ: Mapping[str, str]) -> str:
    """Run the commands in a block that shows them, in one shell, and show what they print."""
    commands = re.findall(r"^\$ (.*)$", shown, re.MULTILINE)
    # An empty line goes before each command but the first, as in the README.
    script = "\n".join(f"echo; printf '%s\\n' {_quoted(f'$ {line}')}; {line}" for line in commands)
    done = subprocess.run(
        ["sh", "-e"],
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=directory,
        env={
            **environment(directory.parent / "home"),
            **environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.removeprefix("\n")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def test_the_readme_shows_what_is_printed_on_s3(
    s3_server: S3Endpoint, s3_prefix: str, files: Path
) -> None:
    place, host = f"{s3_server.bucket}/{s3_prefix}", s3_server.url.removeprefix("http://")
    shown = block("s3", "console").replace(S3, place).replace(S3_HOST, host)
    configuration = block("s3-config", "yaml").replace(S3_HOST, host)
    configuration = configuration.replace("bucket: registry", f"bucket: {s3_server.bucket}")
    configuration = configuration.replace("directory: team-a", f"directory: {s3_prefix}")
    (files / "config.yml").write_text(configuration)
    environ = {
        "AWS_ACCESS_KEY_ID": s3_server.ci.access_key,
        "AWS_SECRET_ACCESS_KEY": s3_server.ci.secret_key,
    }
    assert run(shown, files, environ) == shown


def test_the_readme_shows_what_is_printed_on_gcs(gcs_server: GCSServer, files: Path) -> None:
    shown = block("gcs", "console").replace(GCS, f"gs://{gcs_server.bucket.name}/team-a")
    assert run(shown, files, {"STORAGE_EMULATOR_HOST": gcs_server.url}) == shown
