"""The scan of storages: trees of registries, random ones, odd things, and others at work."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from regctl.digest import Digest
from regctl.drivers.base import Kind, Probed, StorageDriver
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.counting import CountingDriver
from regctl.drivers.filesystem import FilesystemDriver
from regctl.drivers.forwarding import ForwardingDriver
from regctl.errors import (
    DeniedError,
    NotPermittedPathError,
    PathNotFoundError,
    RegctlError,
    UnavailableError,
)
from regctl.layout import Layout, PathMapper, RepositoryName, Tag, UploadId, specs
from regctl.maintenance.inventory.content import Inventory, Oddity, RepositoryContent
from regctl.maintenance.inventory.links import ATTEMPTS
from regctl.maintenance.inventory.scan import scan
from tests import trees
from tests.maintenance.inventory.plain import Plain, plain_of, scan_plainly
from tests.registry.storages import digest_of, filesystem, memory, never_sleep, objects

ROOT = "/docker/registry/v2"
BASE = f"{ROOT}/repositories/team/app"
NAME = RepositoryName.parse("team/app")
V1 = Tag.parse("v1")
PATHS = PathMapper()
UPLOAD = "11111111-2222-4333-8444-555555555555"
SHA512 = digest_of(b"big", "sha512")
TARSUM = Digest.parse("tarsum.v1+sha256:" + "ab" * 32)

ONE, TWO, THREE = (digest_of(each) for each in (b"one", b"two", b"three"))

MAKERS: dict[str, Callable[[Path], StorageDriver]] = {
    "filesystem": filesystem,
    "memory": lambda _: memory(),
    "objects": lambda _: objects(),
}


@pytest.fixture(params=MAKERS)
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    """An empty storage of each kind."""
    return MAKERS[request.param](tmp_path)


def scanned(driver: StorageDriver, *, tag_indexes: bool = True) -> Inventory:
    return scan(driver, sleep=lambda _: None, tag_indexes=tag_indexes)


def content_of(inventory: Inventory) -> RepositoryContent:
    return inventory.repositories[NAME]


def put_link(driver: StorageDriver, spec: specs.Spec, content: object = None) -> str:
    """A link with ``content``, its own digest unless it is given."""
    path = PATHS.path(spec)
    if content is None:
        named = [getattr(spec, each, None) for each in ("signature", "revision", "digest")]
        content = next(each for each in named if each is not None)
    driver.put(path, str(content).encode())
    return path


def put_tag(driver: StorageDriver, current: object, *index: Digest) -> str:
    for each in index:
        put_link(driver, specs.TagIndexEntryLink(NAME, V1, each))
    return put_link(driver, specs.TagCurrentLink(NAME, V1), current)


# --- trees that registries wrote ---------------------------------------------------------------


@pytest.mark.parametrize("name", trees.NAMES)
def test_trees(name: str, tmp_path: Path) -> None:
    """Every tree is seen as its files say, on disks and in object stores."""
    tree = trees.unpack(name, tmp_path)
    on_disk = filesystem(tree.root)
    expected = scan_plainly(on_disk)
    found = plain_of(scanned(on_disk))
    assert found == expected
    quick = plain_of(scanned(on_disk, tag_indexes=False))
    assert quick.without_indexes() == expected.without_indexes()
    assert not quick.oddities - expected.oddities
    in_objects = objects()
    for entry in on_disk.walk("/", stat=False):
        if entry.kind is Kind.FILE:
            in_objects.put(entry.path, on_disk.get(entry.path, 1 << 30))
    assert plain_of(scanned(in_objects)) == scan_plainly(in_objects)


@pytest.mark.parametrize("name", trees.NAMES)
def test_trees_as_listed(name: str, tmp_path: Path) -> None:
    """Tags, revisions and layers are those that the trees' own listings tell of."""
    tree = trees.unpack(name, tmp_path)
    inventory = scanned(filesystem(tree.root))
    table = inventory.table
    listed = {str(name) for name, found in inventory.repositories.items()}
    assert tree.listed <= listed
    for name, facts in tree.repositories.items():
        content = inventory.repositories[RepositoryName.parse(name)]
        found = {
            str(tag): {str(table.digest(each)) for each in said.index}
            for tag, said in content.tags.items()
        }
        for tag, links in facts["tags"].items():
            assert set(links["index"]) <= found[tag]
        revisions = {str(table.digest(each)) for each in content.revisions}
        assert revisions == set(facts["revisions"])
        assert {str(each) for each in content.uploads} == set(facts["uploads"])


# --- what there is -----------------------------------------------------------------------------


def test_empty(driver: StorageDriver) -> None:
    """Of an empty storage nothing is seen, and that is no error."""
    inventory = scanned(driver)
    assert (len(inventory.blobs), inventory.repositories, inventory.oddities) == (0, {}, [])


def test_blobs(driver: StorageDriver) -> None:
    """Blobs of all algorithms are seen, and what is none is reported."""
    for digest in (ONE, SHA512, TARSUM):
        driver.put(PATHS.path(specs.BlobData(digest)), b"x")
    driver.put(f"{ROOT}/blobs/sha256/zz/x/data", b"x")
    driver.put(f"{ROOT}/blobs/sha256/ab/README", b"x")
    driver.put(f"{ROOT}/blobs/sha256/ab/{'AB' * 32}/data", b"x")
    driver.put(f"{ROOT}/blobs/sha256/ab/{'cd' * 32}/data", b"x")
    driver.put(f"{ROOT}/blobs/lists", b"x")
    driver.put(f"{ROOT}/extra/file", b"x")
    inventory = scanned(driver)
    found = {inventory.table.digest(each) for each in inventory.blobs}
    assert found == {ONE, SHA512, TARSUM}
    assert {path: oddity for oddity, path in inventory.oddities} == {
        f"{ROOT}/blobs/sha256/zz": Oddity.UNKNOWN_DIRECTORY,
        f"{ROOT}/blobs/sha256/ab/README": Oddity.FOREIGN_FILE,
        f"{ROOT}/blobs/sha256/ab/{'AB' * 32}": Oddity.UNKNOWN_DIRECTORY,
        f"{ROOT}/blobs/sha256/ab/{'cd' * 32}": Oddity.UNKNOWN_DIRECTORY,
        f"{ROOT}/blobs/lists": Oddity.FOREIGN_FILE,
        f"{ROOT}/extra": Oddity.UNKNOWN_DIRECTORY,
    }


def test_link_whose_content_is_another_digest(driver: StorageDriver) -> None:
    """A sha512 or TarSum link leads to a sha256 blob; both names count. Other sizes are read."""
    put_link(driver, specs.LayerLink(NAME, SHA512), ONE)
    put_link(driver, specs.LayerLink(NAME, TARSUM), TWO)
    put_link(driver, specs.LayerLink(NAME, ONE), "")
    put_link(driver, specs.LayerLink(NAME, TWO), f"{TWO}\n")
    put_link(driver, specs.LayerLink(NAME, THREE), SHA512)
    put_link(driver, specs.RevisionLink(NAME, ONE), SHA512)
    put_link(driver, specs.RevisionLink(NAME, SHA512))
    inventory = scanned(driver)
    content, table = content_of(inventory), inventory.table

    def named(aliases: dict[int, int | None]) -> dict[Digest, Digest | None]:
        return {
            table.digest(path): None if says is None else table.digest(says)
            for path, says in aliases.items()
        }

    assert {table.digest(each) for each in content.layers} == {SHA512, TARSUM, ONE, TWO, THREE}
    assert named(content.layer_aliases) == {
        SHA512: ONE,
        TARSUM: TWO,
        ONE: None,
        TWO: None,
        THREE: SHA512,
    }
    assert named(content.revision_aliases) == {ONE: SHA512}


def test_believed_by_its_path(driver: StorageDriver) -> None:
    """A sha256 link of 71 bytes is not read; so what it says does not matter."""
    put_link(driver, specs.LayerLink(NAME, ONE), TWO)
    counting = CountingDriver(driver)
    content = content_of(scanned(counting))
    assert not content.layer_aliases
    assert "get" not in counting.counts.requests


def test_revision_without_link(driver: StorageDriver) -> None:
    """An empty directory is no revision, nor is one that has nothing but signatures."""
    driver.mkdir(PATHS.path(specs.RevisionDirectory(NAME, ONE)))
    put_link(driver, specs.SignatureLink(NAME, TWO, THREE))
    for tag_indexes in (True, False):
        inventory = scanned(driver, tag_indexes=tag_indexes)
        content, number = content_of(inventory), inventory.table.number
        assert not content.revisions
        assert {key: list(each) for key, each in content.signatures.items()} == {
            number(TWO): [number(THREE)]
        }
        assert not inventory.oddities


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "empty"),
        ("sha256:ab", "malformed"),
        (f"{ONE}\n", "malformed"),
        ("x" * 999, "malformed"),
    ],
)
@pytest.mark.parametrize("tag_indexes", [True, False])
def test_bad_current(driver: StorageDriver, said: str, problem: str, tag_indexes: bool) -> None:
    """A current link that is no digest is read again; then all of the tag's index is told."""
    put_tag(driver, said, ONE, TWO)
    waits: list[float] = []
    inventory = scan(driver, sleep=waits.append, tag_indexes=tag_indexes)
    tag = content_of(inventory).tags[V1]
    assert (tag.current, tag.problem) == (None, problem)
    assert {inventory.table.digest(each) for each in tag.index} == {ONE, TWO}
    assert len(waits) == ATTEMPTS


@pytest.mark.parametrize("tag_indexes", [True, False])
def test_current_absent(driver: StorageDriver, tag_indexes: bool) -> None:
    """A tag without current link is told with its index."""
    driver.delete(put_tag(driver, ONE, ONE))
    tag = content_of(scanned(driver, tag_indexes=tag_indexes)).tags[V1]
    assert (tag.current, tag.problem, len(tag.index)) == (None, "absent", 1)


def test_index_link_says_another(driver: StorageDriver) -> None:
    """Of an index entry the path counts, and the content if that is not believed."""
    put_link(driver, specs.TagIndexEntryLink(NAME, V1, SHA512), ONE)
    put_link(driver, specs.TagCurrentLink(NAME, V1), ONE)
    inventory = scanned(driver)
    index = content_of(inventory).tags[V1].index
    assert {inventory.table.digest(each) for each in index} == {SHA512, ONE}


def test_uploads(driver: StorageDriver) -> None:
    """A repository that has nothing but an upload is seen."""
    driver.put(f"{BASE}/_uploads/{UPLOAD}/startedat", b"2020-01-01T00:00:00Z")
    driver.put(f"{BASE}/_uploads/{UPLOAD}/hashstates/sha256/0", b"x")
    driver.put(f"{BASE}/_uploads/strange/data", b"x")
    inventory = scanned(driver)
    content = content_of(inventory)
    assert content.uploads == [UploadId(UPLOAD)]
    assert (content.has_uploads, content.has_layers, content.has_manifests) == (True, False, False)
    assert inventory.oddities == [(Oddity.UNKNOWN_DIRECTORY, f"{BASE}/_uploads/strange")]


def test_odd_things(driver: StorageDriver) -> None:
    """What belongs to nobody is reported where it begins, and hides nothing else."""
    put_tag(driver, ONE, ONE)
    put_link(driver, specs.RevisionLink(NAME, ONE))
    temporary = f"link.{UPLOAD}.tmp"
    odd = {
        f"{BASE}/_manifests/tags/v1/current/{temporary}": Oddity.TEMPORARY_FILE,
        f"{BASE}/_manifests/revisions/sha256/{ONE.hex}/{temporary}": Oddity.TEMPORARY_FILE,
        f"{BASE}/_manifests/tags/v1/notes": Oddity.FOREIGN_FILE,
        f"{BASE}/_manifests/tags/-bad": Oddity.UNKNOWN_DIRECTORY,
        f"{BASE}/_manifests/referrers": Oddity.UNKNOWN_DIRECTORY,
        f"{BASE}/_manifests/README": Oddity.FOREIGN_FILE,
        f"{BASE}/_layers/blake3": Oddity.UNKNOWN_DIRECTORY,
        f"{BASE}/_layers/sha256/{'x' * 64}": Oddity.UNKNOWN_DIRECTORY,
        f"{BASE}/_trash": Oddity.UNKNOWN_DIRECTORY,
        f"{BASE}/README": Oddity.FOREIGN_FILE,
        f"{ROOT}/repositories/UPPER": Oddity.FORBIDDEN_NAME,
        f"{ROOT}/repositories/other Dir": Oddity.UNKNOWN_DIRECTORY,
    }
    for path, oddity in odd.items():
        if oddity is Oddity.UNKNOWN_DIRECTORY:
            driver.put(f"{path}/some/file", b"x")
        elif oddity is Oddity.FORBIDDEN_NAME:
            driver.put(f"{path}/_layers/sha256/{ONE.hex}/link", str(ONE).encode())
        else:
            driver.put(path, b"x")
    inventory = scanned(driver)
    assert {path: oddity for oddity, path in inventory.oddities} == odd
    assert len(inventory.oddities) == len(odd)
    assert list(inventory.repositories) == [NAME]
    quick = scanned(driver, tag_indexes=False)
    assert set(quick.oddities) <= set(inventory.oddities)


def test_temporary_file_where_the_link_is_not(driver: StorageDriver) -> None:
    """What a crash left where a link was to be is seen on every storage."""
    path = f"{BASE}/_layers/sha256/{ONE.hex}/link.{UPLOAD}.tmp"
    driver.put(path, b"")
    assert scanned(driver).oddities == [(Oddity.TEMPORARY_FILE, path)]


def test_names_that_collide(driver: StorageDriver) -> None:
    """A current repository may be called as the old layout calls its parts, and lie in another."""
    for name in ("a/manifests/tags", "a/layers/tarsum/v1", "a", "a/b"):
        put_link(driver, specs.LayerLink(RepositoryName.parse(name), ONE))
    repositories = scanned(driver).repositories
    assert sorted(map(str, repositories)) == ["a", "a/b", "a/layers/tarsum/v1", "a/manifests/tags"]
    assert {each.layout for each in repositories.values()} == {Layout.CURRENT}


def test_2015(driver: StorageDriver) -> None:
    """The layout of January 2015 is read, also where a repository has its parts' name."""
    old = PathMapper(Layout.Y2015)
    for name in (NAME, RepositoryName.parse("team/app/manifests")):
        driver.put(old.path(specs.LayerLink(name, TARSUM)), str(TARSUM).encode())
        driver.put(old.path(specs.RevisionLink(name, ONE)), str(ONE).encode())
        driver.put(old.path(specs.TagCurrentLink(name, Tag.parse("_x"))), str(ONE).encode())
    inventory = scanned(driver)
    assert len(inventory.repositories) == 2
    for content in inventory.repositories.values():
        assert content.layout is Layout.Y2015
        assert [inventory.table.digest(each) for each in content.layers] == [TARSUM]
        assert [inventory.table.digest(each) for each in content.revisions] == [ONE]
        assert content.tags[Tag.parse("_x")].current == inventory.table.find(ONE)
    assert not inventory.oddities


def test_tag_in_both_layouts(driver: StorageDriver) -> None:
    """Where a tag has a current link in both layouts, that of the current one counts."""
    old = PathMapper(Layout.Y2015).path(specs.TagCurrentLink(NAME, V1))
    driver.put(old, str(TWO).encode())
    path = put_tag(driver, ONE)
    for said, expected in ((ONE, ONE), ("", TWO), (THREE, THREE)):
        driver.put(path, str(said).encode())
        inventory = scanned(driver)
        tag = content_of(inventory).tags[V1]
        assert (tag.current, tag.problem) == (inventory.table.find(expected), "")
        assert content_of(inventory).is_mixed


def test_symlinks(tmp_path: Path) -> None:
    """A symlink is reported wherever it is, and never followed."""
    driver = filesystem(tmp_path)
    put_link(driver, specs.LayerLink(NAME, ONE))
    put_link(driver, specs.RevisionLink(NAME, ONE))
    base = tmp_path / BASE[1:]
    places = [
        base / "_layers" / "sha256" / TWO.hex,
        base / "_layers" / "sha512",
        base / "_manifests" / "tags",
        base / "_manifests" / "revisions" / "sha256" / THREE.hex / "link",
        base / "_manifests" / "revisions" / "sha256" / ONE.hex / "signatures",
        base / "deeper",
        base.parent / "UPPER" / "link",
        tmp_path / ROOT[1:] / "blobs" / "sha256",
    ]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(base / "_layers" / "sha256")
    expected = {"/" + str(place.relative_to(tmp_path)) for place in places}
    for tag_indexes in (True, False):
        found = scanned(driver, tag_indexes=tag_indexes).oddities
        assert {path for oddity, path in found if oddity is Oddity.SYMLINK} == expected
    assert len(content_of(scanned(driver)).layers) == 1


def test_symlink_as_current(tmp_path: Path) -> None:
    """A tag whose link is a symlink cannot be read."""
    driver = filesystem(tmp_path)
    path = put_tag(driver, ONE, ONE)
    driver.delete(path)
    (tmp_path / path[1:]).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotPermittedPathError):
        scanned(driver)


# --- others at work ----------------------------------------------------------------------------


class _Meddling(ForwardingDriver):
    """A driver during which something happens: ``meddle`` is told the path of each reading, before
    it; what it returns or raises is the result."""

    def __init__(self, inner: StorageDriver, meddle: Callable[[str], object]) -> None:
        super().__init__(inner)
        self._meddle = meddle

    def get(self, path: str, limit: int) -> bytes:
        result = self._meddle(path)
        return result if isinstance(result, bytes) else super().get(path, limit)

    def get_many(
        self, paths: Iterable[str], limit: int
    ) -> Iterator[tuple[str, bytes | RegctlError]]:
        for path in paths:
            try:
                yield path, self.get(path, limit)
            except RegctlError as error:
                yield path, error

    def probe(self, path: str, name: str = "", *, others: bool = False) -> Iterator[Probed]:
        self._meddle(path)
        return super().probe(path, name, others=others)


def _once(action: Callable[[], object], at: str) -> Callable[[str], None]:
    """Does ``action`` before the first reading of ``at``."""
    done: list[bool] = []

    def meddle(path: str) -> None:
        if path == at and not done:
            done.append(True)
            action()

    return meddle


def test_link_deleted_meanwhile(driver: StorageDriver) -> None:
    """A link that was listed and is gone when it is read was deleted: what it names is young."""
    path = put_link(driver, specs.LayerLink(NAME, SHA512), ONE)
    put_link(driver, specs.LayerLink(NAME, ONE))
    inventory = scanned(_Meddling(driver, _once(lambda: driver.delete(path), path)))
    content = content_of(inventory)
    assert [inventory.table.digest(each) for each in content.layers] == [ONE]
    assert [inventory.table.digest(each) for each in inventory.vanished] == [SHA512]


def test_link_listed_and_not_there(driver: StorageDriver) -> None:
    """What is listed and cannot be had is no absence."""
    path = put_link(driver, specs.LayerLink(NAME, SHA512), ONE)

    def meddle(asked: str) -> None:
        if asked == path:
            raise PathNotFoundError(path)

    with pytest.raises(UnavailableError, match="listed"):
        scanned(_Meddling(driver, meddle))


@pytest.mark.parametrize("tag_indexes", [True, False])
def test_tag_deleted_meanwhile(driver: StorageDriver, tag_indexes: bool) -> None:
    """A tag that is gone with its directory when it is read is no tag."""
    path = put_tag(driver, ONE, TWO)
    put_link(driver, specs.RevisionLink(NAME, ONE))

    def remove() -> None:
        driver.delete(path)
        entry = PATHS.path(specs.TagIndexEntryLink(NAME, V1, TWO))
        driver.delete(entry)
        directory = f"{BASE}/_manifests/tags/v1"
        for below in (f"/index/sha256/{TWO.hex}", "/index/sha256", "/index", "/current", ""):
            driver.rmdir(directory + below)

    meddling = _Meddling(driver, _once(remove, path))
    inventory = scanned(meddling, tag_indexes=tag_indexes)
    assert not content_of(inventory).tags
    if tag_indexes:
        assert [inventory.table.digest(each) for each in inventory.vanished] == [TWO]


def test_torn_while_a_tag_moves(driver: StorageDriver) -> None:
    """A link that was caught half written says what it says a moment later."""
    path = put_tag(driver, ONE, ONE)
    torn = [b"", b"sha256:12"]
    waits: list[float] = []

    def meddle(asked: str) -> bytes | None:
        return torn.pop(0) if asked == path and torn else None

    inventory = scan(_Meddling(driver, meddle), sleep=waits.append)
    tag = content_of(inventory).tags[V1]
    assert (tag.current, tag.problem) == (inventory.table.find(ONE), "")
    assert len(waits) == 2


def test_torn_layer_link(driver: StorageDriver) -> None:
    """The same for a layer link, on any storage that shows its size while it is written."""
    path = put_link(driver, specs.LayerLink(NAME, ONE), "")
    meddling = _Meddling(driver, lambda _: None)
    inventory = scan(meddling, sleep=lambda _: driver.put(path, str(ONE).encode()))
    assert not content_of(inventory).layer_aliases
    assert [inventory.table.digest(each) for each in content_of(inventory).layers] == [ONE]


def test_directory_deleted_meanwhile(tmp_path: Path) -> None:
    """Directories that vanish during the scan hold nothing."""
    driver = filesystem(tmp_path)
    path = put_link(driver, specs.LayerLink(NAME, ONE))
    put_link(driver, specs.RevisionLink(NAME, TWO))
    above = path.rpartition("/")[0].rpartition("/")[0]

    def remove() -> None:
        driver.delete(path)
        driver.rmdir(f"{above}/{ONE.hex}")
        driver.rmdir(above)

    content = content_of(scanned(_Meddling(driver, _once(remove, above))))
    assert (len(content.layers), len(content.revisions)) == (0, 1)


def test_denied(driver: StorageDriver) -> None:
    """A link that may not be read stops the scan, and so does a directory."""
    path = put_tag(driver, ONE, ONE)

    def deny(at: str) -> Callable[[str], None]:
        def meddle(asked: str) -> None:
            if asked == at:
                raise DeniedError(f"{asked}: no")

        return meddle

    with pytest.raises(DeniedError):
        scanned(_Meddling(driver, deny(path)))
    if driver.has_directories:
        for at in (BASE, f"{BASE}/_manifests/tags", f"{ROOT}/blobs", f"{ROOT}/repositories"):
            with pytest.raises(DeniedError):
                scanned(_Meddling(driver, deny(at)))


def test_blobs_come_first(driver: StorageDriver) -> None:
    """What is pushed while references are read is not among the blobs."""
    put_tag(driver, ONE, ONE)
    driver.put(PATHS.path(specs.BlobData(ONE)), b"one")
    pushed = PATHS.path(specs.BlobData(TWO))
    path = f"{BASE}/_manifests/tags/v1/current/link"
    inventory = scanned(_Meddling(driver, _once(lambda: driver.put(pushed, b"two"), path)))
    assert [inventory.table.digest(each) for each in inventory.blobs] == [ONE]


# --- random storages ---------------------------------------------------------------------------


def _random_digest(rng: random.Random) -> Digest:
    algorithm = rng.choice(["sha256"] * 8 + ["sha512", "tarsum.v1+sha256", "tarsum+sha256"])
    content = b"%d" % rng.randrange(30)
    if "+" in algorithm:
        return Digest.parse(f"{algorithm}:{digest_of(content).hex}")
    return digest_of(content, algorithm)


def _fill_randomly(driver: StorageDriver, rng: random.Random) -> None:
    names = [
        RepositoryName.parse(each)
        for each in ("a", "a/b", "a/manifests", "a/manifests/tags", "x/layers/tarsum", "z")
    ]
    for _ in range(rng.randrange(80)):
        mapper = PathMapper(rng.choice([Layout.CURRENT] * 4 + [Layout.Y2015]))
        name, tag = rng.choice(names), Tag.parse(rng.choice(["v1", "_x", "latest"]))
        one, other = _random_digest(rng), _random_digest(rng)
        if mapper.layout is Layout.Y2015:
            # No tag is in both layouts.
            one, tag = TARSUM, Tag.parse("_old")
        spec = rng.choice(
            [
                specs.BlobData(one),
                specs.LayerLink(name, one),
                specs.RevisionLink(name, other),
                specs.SignatureLink(name, other, digest_of(b"signature")),
                specs.TagCurrentLink(name, tag),
                specs.TagIndexEntryLink(name, tag, other),
                specs.UploadStartedAt(name, UploadId(UPLOAD)),
            ]
        )
        content = rng.choice([str(one)] * 4 + [str(other)] * 4 + ["", "junk", "x" * 300])
        path = mapper.path(spec) + rng.choice([""] * 20 + ["s", f".{UPLOAD}.tmp"])
        try:
            driver.put(path, content.encode())
        except RegctlError:
            continue  # a file stands in the way


@pytest.mark.parametrize("seed", range(30))
def test_random(seed: int, tmp_path: Path) -> None:
    """On random storages all kinds of them agree with a slow and obvious scan."""
    on_disk, in_memory, in_objects = filesystem(tmp_path), memory(), objects()
    for driver in (on_disk, in_memory, in_objects):
        _fill_randomly(driver, random.Random(seed))
    expected = scan_plainly(on_disk)
    for driver in (on_disk, in_memory):
        assert plain_of(scanned(driver)).on_disk() == expected.on_disk()
        quick = plain_of(scanned(driver, tag_indexes=False))
        assert quick.without_indexes() == expected.without_indexes()
    assert plain_of(scanned(in_objects)) == scan_plainly(in_objects)


# --- what it costs -----------------------------------------------------------------------------


def _fill(driver: StorageDriver, count: int) -> None:
    for number in range(count):
        digest = digest_of(b"%d" % number)
        driver.put(PATHS.path(specs.BlobData(digest)), b"x")
        put_link(driver, specs.LayerLink(NAME, digest))
        put_link(driver, specs.RevisionLink(NAME, digest))
        tag = Tag.parse(f"v{number}")
        put_link(driver, specs.TagIndexEntryLink(NAME, tag, digest))
        put_link(driver, specs.TagCurrentLink(NAME, tag), digest)


def test_requests_of_an_object_store() -> None:
    """Two walks, a look at the top, the time, and each current link: nothing for other links."""
    counting = CountingDriver(objects())
    _fill(counting, 20)
    counting.counts.requests.clear()
    inventory = scan(counting, sleep=never_sleep)
    assert counting.counts.requests == {"now": 1, "list": 1, "walk": 2, "get": 20}
    assert len(content_of(inventory).tags[Tag.parse("v7")].index) == 1


def test_looks_at_a_disk(tmp_path: Path) -> None:
    """A quick scan opens no directory for a single link, a tag or a revision."""
    counting = CountingDriver(CheckedDriver(FilesystemDriver(str(tmp_path))))
    asked = []
    for count in (20, 40):
        _fill(counting, count)
        shards = len(counting.list(f"{ROOT}/blobs/sha256"))
        counting.counts.requests.clear()
        scan(counting, sleep=never_sleep, tag_indexes=False)
        assert counting.counts.requests.pop("get") == count
        counting.counts.requests["probe"] -= shards
        asked.append(dict(counting.counts.requests))
    assert asked[0] == asked[1]
    assert asked[0].keys() == {"now", "list", "probe"}


def test_progress(driver: StorageDriver) -> None:
    """All blobs, layers, revisions and tags are counted."""
    _fill(driver, 5)
    seen: list[int] = []
    scan(driver, sleep=never_sleep, progress=seen.append)
    assert sum(seen) == 20


def test_plain_is_no_less(driver: StorageDriver) -> None:
    """The scan that others are compared with sees what was put."""
    _fill(driver, 3)
    plain: Plain = scan_plainly(driver)
    assert len(plain.blobs) == len(plain.repositories["team/app"].layers) == 3
