"""The storages that the commands are tried on: a directory, a bucket of S3, a bucket of GCS.

A handle names its storage on the command line, brings the credentials in its environment, and
looks inside by other means than this program's drivers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from unittest import mock
from urllib.parse import urlencode

from regctl.digest import Digest
from regctl.drivers import open_driver
from regctl.drivers.base import StorageDriver
from tests.servers.gcs_json import GCSServer
from tests.servers.processes import NO_CLOUD
from tests.servers.s3 import Credentials, S3Endpoint

#: What stands where: content, or what tells contents apart; None for a directory.
Snapshot = dict[str, object]
#: The least part of a multipart upload but the last one.
_PART = 5 << 20
#: How Distribution marks what it has not finished in GCS.
_SESSION_TYPE = "application/x-docker-upload-session"


class Storage(os.PathLike[str]):
    """One storage, whose root may be empty. Paths are those in the tree, without ``/`` before them:
    ``docker/registry/v2/...``.

    ``url`` is what ``--storage`` takes, ``environ`` what has to be in the environment for it,
    ``section`` the members of the driver's section in a registry's configuration.
    """

    kind = ""

    def __init__(self, url: str, environ: Mapping[str, str], section: Mapping[str, object]) -> None:
        self.url = url
        self.environ = dict(environ)
        self.section = dict(section)

    def __fspath__(self) -> str:
        return self.url

    def __str__(self) -> str:
        return self.url

    @property
    def described(self) -> str:
        """The storage as plans and messages name it."""
        return self.url.partition("?")[0]

    @property
    def directory(self) -> Path:
        """The directory. A test that asks for it runs on no other kind, and the table says so."""
        raise AssertionError("this test is about directories: say so in the table of kinds")

    @property
    def driver(self) -> StorageDriver:
        """A driver of this program, for what the tests of services look into storages with."""
        with mock.patch.dict(os.environ, self.environ):
            return open_driver(self.kind, self.section)

    def configure(self, path: Path, **members: object) -> Path:
        """Write a registry's configuration for this storage to ``path``, with ``members``."""
        document = {"version": 0.1, "storage": {self.kind: self.section}, **members}
        path.write_text(json.dumps(document))  # which is YAML
        return path

    def write(self, path: str, content: bytes | str) -> None:
        """Put a file there, whatever was there."""
        raise NotImplementedError

    def read(self, path: str) -> bytes:
        """A file's content; `FileNotFoundError` if there is none."""
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Take a file away; `FileNotFoundError` if there is none."""
        raise NotImplementedError

    def leave(self, path: str, content: bytes) -> None:
        """Put ``content`` there as a registry leaves the data of an upload in progress."""
        raise NotImplementedError

    def files(self) -> Snapshot:
        """Every file, hidden ones too."""
        raise NotImplementedError

    def snapshot(self) -> Snapshot:
        """All that there is: what two of them have in common did not change in between."""
        return self.files()

    def fill(self, files: Mapping[str, bytes]) -> None:
        """Put many files there."""
        for path, content in files.items():
            self.write(path, content)

    def find(self, pattern: str) -> list[str]:
        """The paths of files that a pattern of the shell matches (``*`` matches ``/`` too)."""
        return sorted(path for path in self.files() if fnmatchcase(path, pattern))

    def exists(self, path: str) -> bool:
        """Whether a file is there, or anything below."""
        return any(each == path or each.startswith(f"{path}/") for each in self.files())


class Directory(Storage):
    """A directory of this machine, which is there already."""

    kind = "filesystem"

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), {}, {"rootdirectory": str(root)})

    @property
    def directory(self) -> Path:
        return Path(self.url)

    def write(self, path: str, content: bytes | str) -> None:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def read(self, path: str) -> bytes:
        return (self.directory / path).read_bytes()

    def remove(self, path: str) -> None:
        (self.directory / path).unlink()

    def leave(self, path: str, content: bytes) -> None:
        self.write(path, content)

    def files(self) -> Snapshot:
        return {path: content for path, content in self.snapshot().items() if content is not None}

    def snapshot(self) -> Snapshot:
        return snapshot_of(self.directory)


def snapshot_of(root: Path) -> Snapshot:
    """Everything below ``root``: the content of files, None for directories."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


class S3(Storage):
    """A prefix in a bucket of an S3 server; the credentials are those of ``who``."""

    kind = "s3"

    def __init__(
        self, server: S3Endpoint, prefix: str, who: Credentials | None = None, **members: object
    ) -> None:
        who = who or server.ci
        query = {
            "endpoint": server.url,
            "forcepathstyle": "true",
            "region": "us-east-1",
            **{name: str(value) for name, value in members.items()},
        }
        super().__init__(
            f"s3://{server.bucket}/{prefix}?{urlencode(query, safe=':/')}",
            {
                **NO_CLOUD,
                "AWS_ACCESS_KEY_ID": who.access_key,
                "AWS_SECRET_ACCESS_KEY": who.secret_key,
            },
            {**server.parameters(prefix, who), **members},
        )
        self.server = server
        self.prefix = prefix

    @property
    def described(self) -> str:
        return f"s3://{self.server.bucket}/{self.prefix} at {self.server.url.rpartition('/')[2]}"

    def behind(self, url: str) -> S3:
        """The same storage by way of a proxy at ``url``."""
        return S3(self.server.behind(url), self.prefix)

    def write(self, path: str, content: bytes | str) -> None:
        data = content.encode() if isinstance(content, str) else content
        self.server.put(self.key(path), data)

    def read(self, path: str) -> bytes:
        self._require(path)
        return self.server.get(self.key(path))

    def remove(self, path: str) -> None:
        self._require(path)
        self.server.client().delete_object(Bucket=self.server.bucket, Key=self.key(path))

    def leave(self, path: str, content: bytes) -> None:
        client = self.server.client()
        where = {"Bucket": self.server.bucket, "Key": self.key(path)}
        upload = client.create_multipart_upload(**where)["UploadId"]
        for number, start in enumerate(range(0, len(content), _PART), 1):
            part = content[start : start + _PART]
            client.upload_part(**where, UploadId=upload, PartNumber=number, Body=part)

    def files(self) -> Snapshot:
        """Objects by ETag, and the multipart uploads in progress."""
        pages = self.server.client().get_paginator("list_objects_v2")
        start = len(self.prefix) + 1
        found: Snapshot = {
            each["Key"][start:]: each["ETag"]
            for page in pages.paginate(Bucket=self.server.bucket, Prefix=f"{self.prefix}/")
            for each in page.get("Contents", ())
        }
        for key, upload in self.server.multipart_uploads(f"{self.prefix}/"):
            found[f"{key[start:]}?uploadId={upload}"] = "in progress"
        return found

    def fill(self, files: Mapping[str, bytes]) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.write, files.keys(), files.values()))

    def key(self, path: str) -> str:
        """The key of what is at ``path``."""
        return f"{self.prefix}/{path}"

    def _require(self, path: str) -> None:
        if self.key(path) not in self.server.keys(self.key(path)):
            raise FileNotFoundError(path)


class GCS(Storage):
    """A prefix in the bucket of the tests' own GCS server."""

    kind = "gcs"

    def __init__(self, server: GCSServer, prefix: str) -> None:
        super().__init__(
            f"gs://{server.bucket.name}/{prefix}",
            {**NO_CLOUD, "STORAGE_EMULATOR_HOST": server.url},
            {"bucket": server.bucket.name, "rootdirectory": prefix},
        )
        self.server = server
        self.prefix = prefix

    def write(self, path: str, content: bytes | str) -> None:
        data = content.encode() if isinstance(content, str) else content
        self.server.bucket.put(self.key(path), data)

    def read(self, path: str) -> bytes:
        self._require(path)
        return self.server.bucket.get(self.key(path)).content

    def remove(self, path: str) -> None:
        self._require(path)
        self.server.bucket.delete(self.key(path))

    def leave(self, path: str, content: bytes) -> None:
        """Less than a registry sends to a session: all of it waits in the object."""
        assert len(content) < 256 << 10, "more has to be in a session"
        metadata = {"Session-URI": "", "Offset": "0"}
        self.server.bucket.put(self.key(path), content, _SESSION_TYPE, metadata)

    def files(self) -> Snapshot:
        start = len(self.prefix) + 1
        with self.server.bucket.lock:
            return {
                name[start:]: each.content
                for name, each in self.server.bucket.objects.items()
                if name.startswith(f"{self.prefix}/")
            }

    def clean(self) -> None:
        """Take everything away."""
        for path in self.files():
            self.remove(path)

    def key(self, path: str) -> str:
        """The name of what is at ``path``."""
        return f"{self.prefix}/{path}"

    def _require(self, path: str) -> None:
        if self.key(path) not in self.server.bucket.objects:
            raise FileNotFoundError(path)


def sha256_of(content: bytes) -> str:
    """The digest of ``content``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def blob_at(digest: str | Digest) -> str:
    """Where the content of a SHA-256 ``digest`` lies."""
    value = str(digest).removeprefix("sha256:")
    return f"docker/registry/v2/blobs/sha256/{value[:2]}/{value}/data"


def in_repository(name: str, path: str) -> str:
    """Where ``path`` of the repository ``name`` lies."""
    return f"docker/registry/v2/repositories/{name}/{path}"
