"""Listings, walks and multipart uploads: complete whatever the order, or an error."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regctl.drivers.base import Entry, Kind
from regctl.drivers.s3.client import Store, open_store
from regctl.drivers.s3.errors import NotS3Error
from regctl.drivers.s3.listing import list_directory, unfinished, walk
from regctl.errors import DeniedError, NotFoundError, PathNotFoundError, StorageError
from tests.drivers.s3 import listing_server
from tests.drivers.s3.listing_server import SECONDS, ListingServer, listing
from tests.servers.canned import CannedServer, blob_keys
from tests.servers.faults import SLOW_DOWN, Answer, FaultProxy, s3_error
from tests.servers.s3 import S3Endpoint

NAMES = ["a", "b", "ab", "a-b", "a b", "a+b", "00", "01", "0f", "foo", "foo-bar", "ünï", "a%2Fb"]
MIB = 1 << 20


def _trees(most: int) -> st.SearchStrategy[list[str]]:
    """Keys of files, none of which is above another: some trees with large directories."""

    def tree(seed: int, count: int, names: int) -> list[str]:
        chance = random.Random(seed)
        own = [*chance.sample(NAMES, 4), *(f"{number:02x}" for number in range(names))]
        return sorted(
            {
                "/".join(chance.choice(own) for _ in range(chance.randrange(1, 5))) + ".f"
                for _ in range(count)
            }
        )

    return st.builds(tree, st.integers(0, 1 << 30), st.integers(1, most), st.integers(0, 40))


def _files(entries: Iterable[Entry]) -> list[str]:
    return sorted(entry.path for entry in entries if entry.kind is Kind.FILE)


@pytest.fixture(scope="module")
def running() -> Iterator[ListingServer]:
    with listing_server.serve() as server:
        yield server


@pytest.fixture
def server(running: ListingServer) -> ListingServer:
    running.holds([])
    return running


@pytest.fixture
def asking(server: ListingServer) -> Store:
    """The storage of `server`, below ``r/``."""
    return open_store(server.endpoint.parameters("/r"), 4)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keys=_trees(600),
    seed=st.none() | st.integers(0, 9),
    page_keys=st.integers(1, 50) | st.sampled_from([10, 20, 40]),
    most=st.sampled_from([1000, 1000, 7]),
    repeats=st.booleans(),
)
def test_complete_in_any_order(
    server: ListingServer,
    asking: Store,
    keys: list[str],
    seed: int | None,
    page_keys: int,
    most: int,
    repeats: bool,
) -> None:
    """Whatever the order, the pages and the cuts: each file comes, and comes once."""
    page_keys = max(page_keys, len(keys) // 60)
    outside = ["r", "r.f", "ra/b", "q/z"]
    below = [f"r/{key}" for key in keys]
    server.holds([*below, *outside], seed=seed, most=most, repeats_names=repeats)
    paths = [f"/{key}" for key in keys]
    assert sorted(entry.path for entry in walk(asking, "/", page_keys=page_keys)) == paths
    descended = walk(asking, "/", stat=False, descend=lambda entry: True, page_keys=1000)
    assert _files(descended) == paths


@pytest.fixture(scope="module")
def trees(s3_server: S3Endpoint) -> Iterator[dict[str, list[str]]]:
    """Random trees on SeaweedFS: the paths of each root."""
    chance = random.Random(7)
    above = s3_server.fresh_prefix()
    made: dict[str, list[str]] = {}
    for number in range(6):
        names = [*NAMES, *(f"{each:02x}" for each in range(16))]
        keys = {
            "/".join(chance.choice(names) for _ in range(chance.randrange(1, 4))) + "/data"
            for _ in range(chance.randrange(2, 160))
        }
        made[f"{above}/{number}"] = sorted(f"/{key}" for key in keys)
    client = s3_server.client(max_pool_connections=8)
    with ThreadPoolExecutor(8) as pool:
        for root, paths in made.items():
            for _ in pool.map(
                lambda path, root=root: client.put_object(
                    Bucket=s3_server.bucket, Key=root + path, Body=b"x"
                ),
                paths,
            ):
                pass
    yield made
    s3_server.clean(above)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(number=st.integers(0, 5), page_keys=st.integers(1, 50))
def test_complete_on_a_real_server(
    s3_server: S3Endpoint, trees: dict[str, list[str]], number: int, page_keys: int
) -> None:
    """SeaweedFS lists in the order of a tree, with pages and names of its own making."""
    root = list(trees)[number]
    store = open_store(s3_server.parameters(root), 4)
    page_keys = max(page_keys, len(trees[root]) // 40)
    entries = list(walk(store, "/", page_keys=page_keys))
    assert sorted(entry.path for entry in entries) == trees[root]
    assert all(entry.size == 1 and entry.modified > 1e9 for entry in entries)
    names = {path.split("/")[1] for path in trees[root]}
    listed = list_directory(store, "/", page_keys=page_keys)
    assert [entry.name for entry in listed] == sorted(names)


@pytest.fixture(scope="module")
def canned() -> Iterator[tuple[CannedServer, list[str]]]:
    """12,000 blobs, 8,000 files of 40 repositories of two teams, and stray ones, of which some
    begin as shards do."""
    blobs = "docker/registry/v2/blobs"
    keys = [*blob_keys(12_000), f"{blobs}/README", f"{blobs}/sha256/0.tmp", f"{blobs}/sha256/ff"]
    for number in range(8000):
        name = f"team-{number % 2}/app-{number % 40 // 2:02}"
        keys.append(f"docker/registry/v2/repositories/{name}/_layers/sha256/{number:064x}/link")
    with CannedServer(keys) as server:
        yield server, [f"/{key}" for key in sorted(keys)]


@pytest.mark.parametrize("jobs", [1, 8])
@pytest.mark.parametrize("page_keys", [100, 250, 1000])
def test_requests(canned: tuple[CannedServer, list[str]], page_keys: int, jobs: int) -> None:
    """A walk of N pages takes about N + N/4 requests."""
    server, paths = canned
    store = open_store(server.endpoint.parameters(), jobs)
    assert sorted(entry.path for entry in walk(store, "/", page_keys=page_keys)) == paths
    pages = -(-len(paths) // page_keys)
    assert store.requests()["ListObjectsV2"] <= pages * 5 / 4 + 24
    before = store.requests()["ListObjectsV2"]
    assert len(list(walk(store, "/docker/registry/v2/blobs/sha256/00", page_keys=1000))) < 100
    assert store.requests()["ListObjectsV2"] == before + 1


@pytest.mark.parametrize(("names", "apart"), [(16, True), (40, False)])
def test_what_lies_beside_shards(
    server: ListingServer, asking: Store, names: int, apart: bool
) -> None:
    """Files directly in a directory come once, whether it is cut or has too many names for that."""
    keys = [f"r/{chr(0x100 + one)}/{two}" for one in range(names) for two in range(640 // names)]
    beside = [f"r/{chr(0x100 + one)}.f" for one in range(names)]
    server.holds([*keys, *beside], seed=None)
    entries = list(walk(asking, "/", page_keys=40))
    assert sorted(f"r{entry.path}" for entry in entries) == sorted([*keys, *beside])
    pages = -(-len(keys + beside) // 40)
    assert server.requests <= pages * 5 / 4 + 8 + names * apart


def test_in_flight(server: ListingServer) -> None:
    """Shards are read at the same time, by as many requests as there are jobs, and no more."""
    together = threading.Barrier(4)
    first = iter(range(4))

    def wait(query: dict[str, str], number: int) -> None:
        # The directory itself is asked for before its shards.
        if query["prefix"] != "r/" and next(first, None) is not None:
            together.wait(timeout=20)

    server.holds([f"r/{one:02x}/{two}" for one in range(256) for two in range(10)], spoil=wait)
    store = open_store(server.endpoint.parameters("r"), 4)
    assert len(list(walk(store, "/", page_keys=20))) == 2560
    assert server.most_in_flight == 4


def test_is_read_as_it_is_needed(server: ListingServer) -> None:
    """Who takes little causes few requests; who stops causes no more."""
    server.holds([f"r/{one:02x}/{two}" for one in range(256) for two in range(40)])
    store = open_store(server.endpoint.parameters("r"), 2)
    entries = walk(store, "/", page_keys=40)
    for _ in range(50):
        next(entries)
    _until_idle(server)
    # The whole are 256 pages.
    assert server.requests <= 40
    entries.close()  # type: ignore[attr-defined]
    before = server.requests
    list(list_directory(store, "/00", page_keys=1000))
    _until_idle(server)
    assert server.requests == before + 1


def _until_idle(server: ListingServer) -> None:
    """Wait until no request came for a while."""
    deadline = time.monotonic() + 20
    seen = -1
    while server.in_flight or seen != server.requests:
        assert time.monotonic() < deadline
        seen = server.requests
        time.sleep(0.1)


def test_list_directory(server: ListingServer, asking: Store) -> None:
    """By name, of either kind; a file over a directory hides it; marks of directories do not
    count; odd keys show as what they are."""
    server.holds(
        ["r/d/", "r/d/b/1", "r/d/a", "r/d/both", "r/d/both/x", "r/d/mark/", "r/d//y", "r/d/../z"],
        seed=1,
        most=2,
        repeats_names=True,
    )
    assert list_directory(asking, "/d") == [
        Entry("/d/", Kind.OTHER),
        Entry("/d/..", Kind.OTHER),
        Entry("/d/a", Kind.FILE),
        Entry("/d/b", Kind.DIRECTORY),
        Entry("/d/both", Kind.FILE),
        Entry("/d/mark", Kind.DIRECTORY),
    ]


def test_walk_odd_keys(server: ListingServer, asking: Store) -> None:
    """They do not vanish: a collector that saw nothing of them might think that all is known."""
    server.holds(["r/d/", "r/d/a", "r/d/mark/", "r/d//y", "r/d/../z", "r//", "r/n\0l", "r/é"])
    assert sorted(walk(asking, "/"), key=lambda entry: entry.path) == [
        Entry("/d/../z", Kind.OTHER),
        Entry("/d//y", Kind.OTHER),
        Entry("/d/a", Kind.FILE, 3, SECONDS),
        Entry("/n\0l", Kind.OTHER),
        Entry("/é", Kind.FILE, 3, SECONDS),
    ]
    assert all(entry.modified == 0.0 for entry in walk(asking, "/d", stat=False))


def test_walk_descend(server: ListingServer, asking: Store) -> None:
    """A directory is yielded, then asked about, then comes what it holds; never an odd one."""
    keys = ["keep/x", "keep/deep/y", "skip/z", "skip/deep/w", "both", "both/v", "../odd", "f"]
    server.holds([f"r/{key}" for key in keys], seed=3, most=2, repeats_names=True)
    seen: list[str] = []
    asked: list[str] = []

    def descend(entry: Entry) -> bool:
        assert seen[-1] == entry.path
        asked.append(entry.path)
        return entry.name != "skip"

    for entry in walk(asking, "/", descend=descend):
        assert entry.path.count("/") == 1 or entry.path.rpartition("/")[0] in seen
        seen.append(entry.path)
    assert sorted(asked) == ["/both", "/keep", "/keep/deep", "/skip"]
    expected = ["/..", "/both", "/both", "/both/v", "/f", "/keep", "/keep/deep", "/keep/deep/y"]
    assert sorted(seen) == [*expected, "/keep/x", "/skip"]


@pytest.mark.parametrize("keys", [[], ["r/x/"], ["r/xy/z", "r/x"]])
def test_nothing_below(server: ListingServer, asking: Store, keys: list[str]) -> None:
    server.holds(keys)
    with pytest.raises(PathNotFoundError):
        list_directory(asking, "/x")
    with pytest.raises(PathNotFoundError):
        list(walk(asking, "/x"))
    with pytest.raises(PathNotFoundError):
        list(walk(asking, "/x", descend=lambda entry: True))


def test_the_root_of_an_empty_bucket(server: ListingServer, asking: Store) -> None:
    """It is there as long as the bucket is."""
    assert list_directory(asking, "/") == []
    assert list(walk(asking, "/")) == []
    assert list(walk(asking, "/", descend=lambda entry: True)) == []


@pytest.mark.parametrize(
    "spoil",
    [
        # The continuation token is ignored.
        lambda query, number: listing(_one("r/a"), "more"),
        # The same, between pages of nothing.
        lambda query, number: listing("", "more"),
        # Pages come round again.
        lambda query, number: listing(_one(f"r/{number % 3}"), str(number)),
        # The prefix is ignored.
        lambda query, number: listing(_one("other/a")),
    ],
)
def test_servers_that_go_astray(server: ListingServer, asking: Store, spoil: object) -> None:
    """What would never end, or show somebody else's keys, is an error."""
    server.spoil = spoil  # type: ignore[assignment]
    with pytest.raises(NotS3Error):
        list(walk(asking, "/"))
    with pytest.raises(NotS3Error):
        list_directory(asking, "/")


def _one(key: str) -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>2024-01-02T03:04:05Z</LastModified>"
        "<Size>1</Size></Contents>"
    )


@pytest.fixture
def filled(s3_server: S3Endpoint, s3_prefix: str, s3_proxy: FaultProxy) -> Store:
    """40 small files in four directories, behind the proxy."""
    for number in range(40):
        s3_server.put(f"{s3_prefix}/a/{number % 4}/{number}", b"x")
    return open_store(s3_server.behind(s3_proxy.url).parameters(s3_prefix), 4)


@pytest.mark.parametrize("nth", [1, 2, 4])
@pytest.mark.parametrize("descends", [False, True])
def test_a_page_that_fails(filled: Store, s3_proxy: FaultProxy, nth: int, descends: bool) -> None:
    """One page denied, and there is no listing: not one that looks whole."""
    s3_proxy.inject(s3_error(403, "AccessDenied"), query="list-type=2", nth=nth, times=None)
    descend = (lambda entry: True) if descends else None
    with pytest.raises(DeniedError):
        list(walk(filled, "/a", page_keys=5, descend=descend))


def test_a_page_that_is_not_there(filled: Store, s3_proxy: FaultProxy) -> None:
    """404 in the middle of a listing is no end of it, and no absence."""
    s3_proxy.inject(s3_error(404, "NoSuchBucket"), query="continuation-token", times=None)
    with pytest.raises(StorageError):
        list(walk(filled, "/a", page_keys=5))
    with pytest.raises(StorageError):
        list_directory(filled, "/a/1", page_keys=3)


def test_a_busy_server_is_asked_again(filled: Store, s3_proxy: FaultProxy) -> None:
    s3_proxy.inject(SLOW_DOWN, query="continuation-token", times=2)
    assert len(list(walk(filled, "/a", page_keys=5))) == 40


def test_what_is_no_s3(filled: Store, s3_proxy: FaultProxy) -> None:
    s3_proxy.inject(Answer(200, "<html></html>"), query="list-type=2", times=None)
    with pytest.raises(NotS3Error):
        list(walk(filled, "/a"))


def test_times_are_those_of_a_head(s3_server: S3Endpoint, s3_prefix: str, store: Store) -> None:
    s3_server.put(f"{s3_prefix}/a/b", b"123")
    (entry,) = walk(store, "/a")
    head = store.call("head_object", "/a/b", Key=f"{s3_prefix}/a/b")
    assert (entry.size, entry.modified) == (3, head["LastModified"].timestamp())


def test_keys_of_every_kind(moto_server: S3Endpoint, moto_prefix: str) -> None:
    """Keys that only some servers take, on one that does, in byte order."""
    names = ["a//b", "./c", "d/../e", "/f", "g\\h", "i j+k%20", "new/", "ok/é", "x" * 300]
    for name in names:
        moto_server.put(f"{moto_prefix}/{name}", b"" if name.endswith("/") else b"x")
    store = open_store(moto_server.parameters(moto_prefix), 4)
    found = {entry.path: entry.kind for entry in walk(store, "/")}
    odd = {f"/{name}" for name in ["a//b", "./c", "d/../e", "/f", "x" * 300]}
    assert found == {
        f"/{name}": Kind.OTHER if f"/{name}" in odd else Kind.FILE
        for name in names
        if name != "new/"
    }


@pytest.fixture
def uploading(s3_server: S3Endpoint, s3_prefix: str) -> dict[str, list[str]]:
    """Uploads in progress: of ``a`` two, of ``b`` with two parts, of ``c`` without any."""
    client = s3_server.client()
    made: dict[str, list[str]] = {}
    for name, parts in (("a", [10]), ("a", [20]), ("b", [5 * MIB, 3]), ("c", [])):
        given = {"Bucket": s3_server.bucket, "Key": f"{s3_prefix}/up/{name}/data"}
        upload = client.create_multipart_upload(**given)["UploadId"]
        made.setdefault(name, []).append(upload)
        for number, size in enumerate(parts, 1):
            client.upload_part(**given, UploadId=upload, PartNumber=number, Body=bytes(size))
    other = {"Bucket": s3_server.bucket, "Key": f"{s3_prefix}/upper/data"}
    client.create_multipart_upload(**other)
    return made


@pytest.mark.parametrize("page_keys", [1, 1000])
def test_unfinished(
    s3_server: S3Endpoint,
    s3_prefix: str,
    store: Store,
    uploading: dict[str, list[str]],
    page_keys: int,
) -> None:
    """With the bytes and the time of the last thing written; of several, the first that the
    server lists comes first."""
    began = time.time()
    entries = list(unfinished(store, "/up", page_keys=page_keys))
    assert sorted((entry.path, entry.size) for entry in entries) == [
        ("/up/a/data", 10),
        ("/up/a/data", 20),
        ("/up/b/data", 5 * MIB + 3),
        ("/up/c/data", 0),
    ]
    assert all(entry.kind is Kind.FILE for entry in entries)
    assert all(abs(entry.modified - began) < 60 for entry in entries)
    answer = store.call("list_multipart_uploads", "/up", Prefix=f"{s3_prefix}/up/a/")
    sizes = dict(zip(uploading["a"], (10, 20), strict=True))
    first = answer["Uploads"][0]["UploadId"]
    assert next(entry.size for entry in entries if entry.path == "/up/a/data") == sizes[first]
    assert list(unfinished(store, "/nothing")) == []


def test_unfinished_and_ended(
    s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str, uploading: dict[str, list[str]]
) -> None:
    """What ends between being listed and being asked about is left out; what fails is an error."""
    store = open_store(s3_server.behind(s3_proxy.url).parameters(s3_prefix), 1)
    s3_proxy.inject(s3_error(404, "NoSuchUpload"), path="up/b/data", query="uploadId")
    assert len(list(unfinished(store, "/up"))) == 3
    s3_proxy.inject(s3_error(403, "AccessDenied"), path="up/b/data", query="uploadId")
    with pytest.raises(DeniedError):
        list(unfinished(store, "/up"))
    s3_proxy.inject(s3_error(403, "AccessDenied"), query="^uploads")
    with pytest.raises(DeniedError):
        list(unfinished(store, "/up"))


def test_no_such_bucket(s3_server: S3Endpoint) -> None:
    """It is no directory that is absent."""
    parameters = {**s3_server.parameters(), "bucket": "regctl-none"}
    store = open_store(parameters, 1)
    for ask in (list_directory, lambda *of: list(walk(*of)), lambda *of: list(unfinished(*of))):
        with pytest.raises(StorageError) as caught:
            ask(store, "/a")
        assert not isinstance(caught.value, NotFoundError)
