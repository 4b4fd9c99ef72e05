"""What all S3 servers of the tests have in common: where they are, who may enter, their bucket."""

from __future__ import annotations

import functools
import itertools
import threading
import uuid
from dataclasses import dataclass, replace
from typing import Any

REGION = "us-east-1"
#: The most keys of one DeleteObjects.
BULK = 1000
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key and its secret."""

    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class S3Endpoint:
    """One bucket at an S3 server that runs: ``url`` is ``http://127.0.0.1:PORT``.

    ``ci`` may do everything, ``ro`` may list and read the bucket, where the server tells them
    apart at all.
    """

    url: str
    bucket: str
    ci: Credentials
    ro: Credentials

    def behind(self, url: str) -> S3Endpoint:
        """The same bucket by way of a proxy at ``url``."""
        return replace(self, url=url)

    def fresh_prefix(self) -> str:
        """A prefix that no other test has, without slashes at its ends."""
        return f"test/{next(_numbers):04}-{uuid.uuid4().hex[:8]}"

    def parameters(
        self, rootdirectory: str = "", credentials: Credentials | None = None
    ) -> dict[str, object]:
        """The members of ``storage.s3`` of a registry's configuration (of ``ci`` by default)."""
        who = credentials or self.ci
        return {
            "accesskey": who.access_key,
            "secretkey": who.secret_key,
            "region": REGION,
            "regionendpoint": self.url,
            "forcepathstyle": True,
            "secure": False,
            "bucket": self.bucket,
            "rootdirectory": rootdirectory,
        }

    def client(self, credentials: Credentials | None = None, **config: object) -> Any:
        """A boto3 client (of ``ci`` by default); ``config`` are members of botocore's Config.

        It reads no configuration and no credentials of this machine. One attempt and no more
        unless ``retries`` are given, so that a test sees what the server said.
        """
        from botocore.config import Config

        who = credentials or self.ci
        settings: dict[str, object] = {
            "s3": {"addressing_style": "path"},
            "retries": {"total_max_attempts": 1},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            **config,
        }
        # A session is not safe for threads while it makes a client; kept, it spares each of them
        # 0.2 s of reading what the service is.
        with _MAKING:
            return _session().client(
                "s3",
                endpoint_url=self.url,
                region_name=REGION,
                aws_access_key_id=who.access_key,
                aws_secret_access_key=who.secret_key,
                config=Config(**settings),
            )

    def keys(self, prefix: str = "") -> list[str]:
        """The keys of all objects that begin with ``prefix``, by a flat listing, sorted."""
        pages = self._client().get_paginator("list_objects_v2")
        return sorted(
            entry["Key"]
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix)
            for entry in page.get("Contents", ())
        )

    def multipart_uploads(self, prefix: str = "") -> list[tuple[str, str]]:
        """Key and upload id of the multipart uploads in progress under ``prefix``, sorted."""
        pages = self._client().get_paginator("list_multipart_uploads")
        return sorted(
            (entry["Key"], entry["UploadId"])
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix)
            for entry in page.get("Uploads", ())
        )

    def put(self, key: str, content: bytes = b"") -> None:
        """Write one object."""
        self._client().put_object(Bucket=self.bucket, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        """The content of one object."""
        body: bytes = self._client().get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def clean(self, prefix: str) -> None:
        """Remove every object and multipart upload under ``prefix``; `AssertionError` if any stays.

        ``prefix`` is as in a listing: no slash is added.
        """
        client = self._client()
        for key, upload in self.multipart_uploads(prefix):
            client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)
        keys = self.keys(prefix)
        for start in range(0, len(keys), BULK):
            objects = [{"Key": key} for key in keys[start : start + BULK]]
            answer = client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True}
            )
            if answer.get("Errors"):
                raise AssertionError(f"not deleted: {answer['Errors'][:3]}")

    def _client(self) -> Any:
        """A client for the methods of this class, kept for the next of them."""
        return _kept_client(self)


_MAKING = threading.Lock()


@functools.cache
def _session() -> Any:
    import boto3

    return boto3.session.Session()


@functools.lru_cache(maxsize=16)
def _kept_client(endpoint: S3Endpoint) -> Any:
    return endpoint.client()
