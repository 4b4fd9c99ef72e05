"""gc on the storage of a real registry: while nothing writes, and beside clients that push."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from regctl.digest import Digest
from tests.commands.handles import Storage
from tests.images import Blob, Image, Index, build_image, build_index, write_oci_layout
from tests.interop.conftest import Serve
from tests.interop.program import Regctl
from tests.servers.client import Client
from tests.servers.skopeo import Skopeo

#: Everything may go at once.
_ALL = ("--untagged", "--grace=0", "--max-delete=100%", "--tags-are-complete")
OFFLINE = ("--format=json", "gc", *_ALL, "--offline", "--registry-cache=none", "--yes")
LIVE = ("--format=json", "gc", *_ALL, "--settle=1s", "--yes")
APP, OTHER = "team/app", "other"
_LINK = re.compile(
    r"docker/registry/v2/repositories/(?P<repository>.+)/"
    r"(?P<kind>_layers|_manifests/revisions)/(?P<algorithm>[^/]+)/(?P<hex>[0-9a-f]+)/link"
)
_ELIGIBLE = re.compile(r"(manifest|blob) eligible for deletion: (\S+)")


def _of_layers(image: Image, *layers: Blob) -> Image:
    """``image`` with other ``layers``."""
    named = _naming(image, [layer.descriptor() for layer in layers])
    return replace(named, layers=layers)


def _by_sha512(image: Image) -> Image:
    """``image`` with a manifest that names the layers by sha512."""
    return _naming(image, [each.descriptor(digest=str(_sha512(each))) for each in image.layers])


def _naming(image: Image, layers: list[dict[str, object]]) -> Image:
    document = {**json.loads(image.manifest.content), "layers": layers}
    manifest = Blob(json.dumps(document).encode(), image.manifest.media_type)
    return replace(image, manifest=manifest)


def _sha512(blob: Blob) -> Digest:
    return Digest.of_hash("sha512", hashlib.sha512(blob.content).digest())


def _mount(client: Client, repository: str, digest: Digest, source: str) -> tuple[int, str]:
    """The status of asking for a blob of ``source``, and where it can be uploaded if not 201."""
    target = f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}"
    answer = client.request("POST", target, b"")
    return answer.status, answer.headers.get("location", "")


def _wrong(client: Client, repository: str, reference: str, pushed: Image | Index) -> list[str]:
    """What is not served as it was pushed, down to the last byte, as sentences."""
    expected = [(reference, pushed.manifest)]
    if isinstance(pushed, Index):
        expected += [(str(image.digest), image.manifest) for image in pushed.images]
    found = []
    for name, manifest in expected:
        answer = client.manifest(repository, name)
        if (answer.status, answer.body) != (200, manifest.content):
            found.append(f"{repository}:{reference}: manifest {name}: {answer.status}")
    for blob in pushed.blobs:
        answer = client.blob(repository, blob.digest)
        if (answer.status, answer.body) != (200, blob.content):
            found.append(f"{repository}:{reference}: blob {blob.digest}: {answer.status}")
    return found


def _content_of(said: object) -> dict[str, dict[str, int]]:
    """What a run's report says of content."""
    assert isinstance(said, dict)
    content = said["content"]
    assert isinstance(content, dict)
    return content


def _let_it_age(regctl: Regctl) -> None:
    """Wait until the storage's time is past that of all that is there: it has whole seconds."""
    deadline = time.monotonic() + 30
    while _content_of(regctl.ok(*OFFLINE, "--dry-run").json())["young"]:
        assert time.monotonic() < deadline, "nothing gets old"


def _links(storage: Storage, kind: str) -> set[tuple[str, str]]:
    """The repositories and digests of which there are links of a kind."""
    found = (_LINK.fullmatch(path) for path in storage.files())
    return {
        (each["repository"], f"{each['algorithm']}:{each['hex']}")
        for each in found
        if each is not None and each["kind"] == kind
    }


def _blobs(storage: Storage) -> set[str]:
    """The digests of the blobs that there are."""
    paths = storage.find("docker/registry/v2/blobs/*/data")
    return {f"sha256:{path.split('/')[-2]}" for path in paths}


def _registry_files(storage: Storage) -> dict[str, object]:
    return {path: what for path, what in storage.files().items() if path.startswith("docker/")}


class _Pushes:
    """What stands in a registry before a collection, and what of it is to stay."""

    OCI, DOCKER, MULTI = build_image(seed=51), build_image(seed=52), build_index(seed=53)
    OLD, NEW = build_image(seed=54), build_image(seed=55)
    #: Two indexes that have one image in common.
    OLD_INDEX = build_index(seed=56, architectures=("amd64", "arm64"))
    NEW_INDEX = build_index(seed=56, architectures=("amd64", "s390x"))
    #: In another repository, with a layer of the first one.
    MOUNTED = _of_layers(build_image(seed=57), OCI.layers[0])
    UNTAGGED_MOUNTED = _of_layers(build_image(seed=58), OCI.layers[1])
    #: They name their layers by sha512, as they are pushed.
    SHA512, OLD_SHA512 = _by_sha512(build_image(seed=59)), _by_sha512(build_image(seed=60))
    WASTE = build_image(seed=61).layers[0]
    BEGUN = build_image(seed=62).layers[0]

    def __init__(self, client: Client) -> None:
        self.client = client
        #: By repository and tag, for all but what skopeo made a manifest of its own for.
        self.tagged: dict[tuple[str, str], Image | Index] = {}

    def by_skopeo(self, host: str, skopeo: Skopeo, directory: Path) -> None:
        tags: dict[str, Image | Index] = {"oci": self.OCI, "docker": self.DOCKER}
        tags |= {"multi": self.MULTI, "old": self.OLD, "new": self.NEW}
        layout = write_oci_layout(directory, tags)
        for source, tag, *options in (
            ("oci", "oci"),
            ("docker", "docker", "--format", "v2s2"),
            ("multi", "multi", "--all"),
            ("old", "moving"),
            ("new", "moving"),
        ):
            skopeo.copy(f"oci:{layout}:{source}", f"docker://{host}/{APP}:{tag}", *options)
        body = self.client.manifest(APP, "docker").expect(200).body
        served = replace(self.DOCKER, manifest=Blob(body, ""))
        self.tagged |= {(APP, "oci"): self.OCI, (APP, "docker"): served}
        self.tagged |= {(APP, "multi"): self.MULTI, (APP, "moving"): self.NEW}

    def by_http(self) -> None:
        client = self.client
        client.push(APP, self.OLD_INDEX, "index")
        client.push(APP, self.NEW_INDEX, "index")
        self.tagged[APP, "index"] = self.NEW_INDEX
        for image in (self.UNTAGGED_MOUNTED, self.MOUNTED):
            self._push(image, "moving", mounted=True)
        for image in (self.OLD_SHA512, self.SHA512):
            self._push(image, "sha512", mounted=False)
        self.tagged |= {(OTHER, "moving"): self.MOUNTED, (OTHER, "sha512"): self.SHA512}
        client.push_blob(OTHER, self.WASTE.content, self.WASTE.digest)

    def _push(self, image: Image, tag: str, *, mounted: bool) -> None:
        """To the other repository; layers from the first one, or uploaded by sha512."""
        self.client.push_blob(OTHER, image.config.content, image.config.digest)
        for layer in image.layers:
            if mounted:
                assert _mount(self.client, OTHER, layer.digest, APP)[0] == 201
            else:
                self.client.push_blob(OTHER, layer.content, _sha512(layer))
        self.client.put_manifest(OTHER, tag, image.manifest).expect(201)

    @property
    def gone(self) -> Iterator[tuple[str, Blob]]:
        """The manifests to which no tag leads."""
        yield APP, self.OLD.manifest
        yield APP, self.OLD_INDEX.manifest
        yield APP, self.OLD_INDEX.images[1].manifest
        yield OTHER, self.UNTAGGED_MOUNTED.manifest
        yield OTHER, self.OLD_SHA512.manifest

    def expected(self) -> tuple[set[str], set[tuple[str, str]], set[tuple[str, str]]]:
        """The blobs, and by repository the revisions and layer links, that are needed."""
        blobs: set[str] = set()
        revisions, layers = set(), set()
        for (repository, _), pushed in self.tagged.items():
            images = pushed.images if isinstance(pushed, Index) else (pushed,)
            manifests = {pushed.manifest, *(image.manifest for image in images)}
            revisions |= {(repository, str(each.digest)) for each in manifests}
            blobs |= {str(each.digest) for each in (*pushed.blobs, *manifests)}
            layers |= {(repository, str(each.digest)) for each in pushed.blobs}
        layers |= {(OTHER, str(_sha512(layer))) for layer in self.SHA512.layers}
        return blobs, revisions, layers


@pytest.fixture
def pushes(serve: Serve, skopeo: Skopeo, tmp_path: Path) -> _Pushes:
    """A registry without a cache that skopeo and a plain client pushed to."""
    server = serve()
    made = _Pushes(server.client)
    made.by_skopeo(server.host, skopeo, tmp_path / "layout")
    made.by_http()
    return made


def test_offline_all_that_tags_need_is_left_and_nothing_else(
    pushes: _Pushes, storage: Storage, regctl: Regctl
) -> None:
    client, begun = pushes.client, pushes.BEGUN
    for repository, manifest in pushes.gone:
        assert client.manifest(repository, manifest.digest).status == 200
    location = client.patch_upload(client.start_upload(APP), begun.content[:100])
    _let_it_age(regctl)

    content = _content_of(regctl.ok(*OFFLINE).json())
    assert content["gone"] == content["garbage"]
    assert content["gone"]["revision"] == len(list(pushes.gone))
    for (repository, tag), pushed in pushes.tagged.items():
        assert _wrong(client, repository, tag, pushed) == []
    for layer in pushes.SHA512.layers:
        assert client.blob(OTHER, _sha512(layer)).expect(200).body == layer.content
    for repository, manifest in pushes.gone:
        assert client.manifest(repository, manifest.digest).status == 404
    blobs, revisions, layers = pushes.expected()
    assert _blobs(storage) == blobs
    assert _links(storage, "_manifests/revisions") == revisions
    assert _links(storage, "_layers") == layers

    before = _registry_files(storage)
    again = _content_of(regctl.ok(*OFFLINE).json())
    assert set(again["garbage"].values()) == set(again["gone"].values()) == {0}
    assert _registry_files(storage) == before
    client.finish_upload(location, begun.digest, begun.content[100:]).expect(201)
    assert client.blob(APP, begun.digest).expect(200).body == begun.content


def test_the_registrys_own_collector_finds_no_more(
    serve: Serve, pushes: _Pushes, storage: Storage, regctl: Regctl
) -> None:
    """But for what 2.8 takes for garbage and is none: layers named by sha512, which it does not
    find under sha256, and with ``--delete-untagged`` the images of tagged indexes."""
    server = serve()
    sha512 = {str(layer.digest) for layer in pushes.SHA512.layers}
    found = set(_ELIGIBLE.findall(server.garbage_collect(dry_run=True)))
    assert found > {("blob", str(pushes.WASTE.digest))}, "it sees nothing of what is to go"
    _let_it_age(regctl)
    assert _content_of(regctl.ok(*OFFLINE).json())["gone"]["blob"] > 0

    found = set(_ELIGIBLE.findall(server.garbage_collect(dry_run=True)))
    assert found <= {("blob", each) for each in sha512}
    children = [
        image
        for pushed in pushes.tagged.values()
        if isinstance(pushed, Index)
        for image in pushed.images
    ]
    report = server.garbage_collect(dry_run=True, delete_untagged=True)
    eligible = _ELIGIBLE.findall(report)
    manifests = {digest for kind, digest in eligible if kind == "manifest"}
    assert manifests <= {str(image.digest) for image in children}
    needless = {str(blob.digest) for image in children for blob in image.content}
    assert {digest for kind, digest in eligible if kind == "blob"} <= needless | sha512
    assert _blobs(storage) == pushes.expected()[0]


#: How often a client tries again what the registry refused, as clients do.
_ATTEMPTS = 20
_POOL: tuple[Image | Index, ...] = (
    build_image(seed=71),
    build_index(seed=72),
    _of_layers(build_image(seed=73), *build_image(seed=71).layers),
    build_image(seed=74),
    build_index(seed=72, architectures=("amd64", "s390x")),
    _of_layers(build_image(seed=75), build_image(seed=74).layers[0]),
    build_image(seed=76),
)


@dataclass
class _Pusher:
    """A client with a repository of its own. It uploads only what the registry has not, mounts
    what ``neighbour`` has, and re-tags and deletes."""

    client: Client
    repository: str
    neighbour: str
    start: int
    #: What the registry said it has, by tag.
    told: dict[str, Image | Index] = field(default_factory=dict)
    rounds: int = 0

    def go(self, over: Event) -> None:
        """Go round and round, at least once through the pool."""
        for number in count():
            if over.is_set() and number >= len(_POOL):
                return
            self.rounds += 1
            turn = self.start + number
            self.push(_POOL[turn % len(_POOL)], "moving")
            self.push(_POOL[(turn * 3 + 1) % len(_POOL)], f"t{number % 4}")
            if number % 5 == 4:
                self.delete(f"t{number % 4}")

    def push(self, pushed: Image | Index, tag: str) -> None:
        for _ in range(_ATTEMPTS):
            status = self._try(pushed, tag)
            if status == 201:
                self.told[tag] = pushed
                return
            # Whether the tag is the old one or the new is not known until it succeeds.
            self.told.pop(tag, None)
        raise AssertionError(f"{self.repository}:{tag}: the registry refuses it: {status}")

    def _try(self, pushed: Image | Index, tag: str) -> int:
        """The status of the first request that did not succeed, or 201."""
        for blob in pushed.blobs:
            if self.client.blob(self.repository, blob.digest, "HEAD").status == 200:
                continue
            status, location = _mount(self.client, self.repository, blob.digest, self.neighbour)
            if status == 202:
                location = self.client.patch_upload(location, blob.content)
                status = self.client.finish_upload(location, blob.digest).status
            if status != 201:
                return status
        manifests = [(tag, pushed.manifest)]
        if isinstance(pushed, Index):
            manifests[:0] = [(str(image.digest), image.manifest) for image in pushed.images]
        for reference, manifest in manifests:
            status = self.client.put_manifest(self.repository, reference, manifest).status
            if status != 201:
                return status
        return 201

    def delete(self, tag: str) -> None:
        """By digest, as 2.8 has it: all tags of that manifest go."""
        digest = self.told[tag].digest
        path = f"/v2/{self.repository}/manifests/{digest}"
        self.client.delete(path).expect(202, 404)
        self.told = {name: each for name, each in self.told.items() if each.digest != digest}

    def wrong(self, client: Client) -> list[str]:
        """What cannot be pulled of what the registry said it has."""
        return [
            each
            for tag, pushed in self.told.items()
            for each in _wrong(client, self.repository, tag, pushed)
        ]


def _collect_beside(pushers: list[_Pusher], regctl: Regctl) -> None:
    """Run gc while they push, until some runs have swept something."""
    over, swept, deadline = Event(), 0, time.monotonic() + 90
    with ThreadPoolExecutor(len(pushers)) as pool:
        running = [pool.submit(each.go, over) for each in pushers]
        try:
            while swept < 4:
                assert time.monotonic() < deadline, f"only {swept} runs have swept anything"
                assert not any(each.done() for each in running)
                gone = _content_of(regctl.ok(*LIVE).json())["gone"]
                swept += any(gone.values())
        finally:
            over.set()
        for each in running:
            each.result()


@pytest.mark.parametrize("cache", [False, True], ids=["no-cache", "cache"])
def test_live_whatever_a_client_was_told_is_pushed_can_be_pulled(
    serve: Serve, regctl: Regctl, cache: bool
) -> None:
    """With a descriptor cache once the registry was started anew; and after one more run."""
    server = serve(cache=cache)
    names = "left", "right"
    pushers = [
        _Pusher(server.client, name, other, start)
        for name, other, start in zip(names, reversed(names), (0, 3), strict=True)
    ]
    _collect_beside(pushers, regctl)
    if cache:
        server.restart()
    regctl.ok(*LIVE)
    assert all(each.told for each in pushers)
    assert [wrong for each in pushers for wrong in each.wrong(server.client)] == []

    deadline = time.monotonic() + 30
    while any(_content_of(regctl.ok(*LIVE).json())["garbage"].values()):
        assert time.monotonic() < deadline, "there is always something left"
    assert [wrong for each in pushers for wrong in each.wrong(server.client)] == []
