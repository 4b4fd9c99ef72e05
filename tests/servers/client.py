"""A small client of the registry's HTTP API, over `http.client`."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from regctl.digest import Digest
from tests import images

#: Every kind of manifest; a registry converts or refuses what is not in Accept.
ACCEPT = ", ".join(
    (
        images.OCI_MANIFEST,
        images.OCI_INDEX,
        images.DOCKER_MANIFEST,
        images.DOCKER_LIST,
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
    )
)
TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: header names in lower case, the body whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def expect(self, *statuses: int) -> Answer:
        """The same answer; `AssertionError` with its body if its status is none of ``statuses``."""
        if self.status not in statuses:
            raise AssertionError(f"the registry answers {self.status}: {self.body[:2000]!r}")
        return self

    def json(self) -> object:
        """The body as JSON."""
        value: object = json.loads(self.body)
        return value

    @property
    def digest(self) -> Digest:
        """What ``Docker-Content-Digest`` says."""
        return Digest.parse(self.headers["docker-content-digest"])

    @property
    def media_type(self) -> str:
        """The content type without parameters."""
        return self.headers.get("content-type", "").partition(";")[0]


class Client:
    """Requests to one registry. Paths are those below its host, ``/v2/...``; a URL is taken too.

    Only the methods that say so check the status: a test of a refusal reads it itself.
    """

    def __init__(self, host: str) -> None:
        self._host = host

    def request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to one request on a connection of its own; redirects are not followed."""
        split = urlsplit(target)
        path = split.path + (f"?{split.query}" if split.query else "")
        connection = http.client.HTTPConnection(split.netloc or self._host, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            content = response.read()
            return Answer(
                response.status, {k.lower(): v for k, v in response.getheaders()}, content
            )
        finally:
            connection.close()

    def get(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", target, None, headers)

    def head(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("HEAD", target, None, headers)

    def delete(self, target: str) -> Answer:
        return self.request("DELETE", target)

    def manifest(self, repository: str, reference: str | Digest, method: str = "GET") -> Answer:
        """The manifest that a tag or digest names, as it is stored."""
        path = f"/v2/{repository}/manifests/{reference}"
        return self.request(method, path, None, {"Accept": ACCEPT})

    def put_manifest(
        self, repository: str, reference: str | Digest, manifest: images.Blob
    ) -> Answer:
        """Store a manifest under a tag or its digest."""
        headers = {"Content-Type": manifest.media_type}
        path = f"/v2/{repository}/manifests/{reference}"
        return self.request("PUT", path, manifest.content, headers)

    def blob(self, repository: str, digest: Digest, method: str = "GET") -> Answer:
        return self.request(method, f"/v2/{repository}/blobs/{digest}")

    def start_upload(self, repository: str) -> str:
        """Begin an upload; its URL. The status is checked."""
        answer = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"").expect(202)
        return answer.headers["location"]

    def patch_upload(self, location: str, content: bytes, offset: int | None = None) -> str:
        """Append to an upload; its next URL. The status is checked."""
        headers = {"Content-Type": "application/octet-stream"}
        if offset is not None:
            headers["Content-Range"] = f"{offset}-{offset + len(content) - 1}"
        answer = self.request("PATCH", location, content, headers).expect(202)
        return answer.headers["location"]

    def finish_upload(self, location: str, digest: Digest, content: bytes = b"") -> Answer:
        """Close an upload, with its last bytes."""
        joint = "&" if urlsplit(location).query else "?"
        headers = {"Content-Type": "application/octet-stream"}
        return self.request(
            "PUT", f"{location}{joint}digest={quote(str(digest))}", content, headers
        )

    def push_blob(self, repository: str, content: bytes, digest: Digest) -> None:
        """Upload a blob in one POST, PATCH and PUT. The status is checked."""
        location = self.patch_upload(self.start_upload(repository), content)
        self.finish_upload(location, digest).expect(201)

    def push(self, repository: str, pushed: images.Image | images.Index, *tags: str) -> None:
        """Store everything of an image or index, and tag it. All statuses are checked."""
        for blob in pushed.blobs:
            self.push_blob(repository, blob.content, blob.digest)
        if isinstance(pushed, images.Index):
            for image in pushed.images:
                self.put_manifest(repository, image.digest, image.manifest).expect(201)
        for reference in tags or (str(pushed.digest),):
            self.put_manifest(repository, reference, pushed.manifest).expect(201)

    def tags(self, repository: str) -> list[str]:
        """The repository's tags, sorted; 404 is an `AssertionError`."""
        return self._names(f"/v2/{repository}/tags/list", "tags")

    def catalog(self) -> list[str]:
        """The registry's repositories (up to 1000), sorted."""
        return self._names("/v2/_catalog?n=1000", "repositories")

    def _names(self, path: str, member: str) -> list[str]:
        value = self.get(path).expect(200).json()
        assert isinstance(value, dict)
        return sorted(str(name) for name in value[member] or ())
