"""Reading manifests: each once, verified, and absence told from failure."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing

import pytest

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.drivers.forwarding import ForwardingDriver
from regctl.errors import DeniedError, RegctlError, UnavailableError
from regctl.maintenance.inventory.reader import ManifestReader, Missing, Wrong
from regctl.maintenance.inventory.refcache import ReferenceCache
from regctl.maintenance.inventory.references import NumberedReferences
from tests.maintenance.inventory.storages import Storage, sha256

NOWHERE = Digest.parse("sha256:" + "0" * 64)


class Counting(ForwardingDriver):
    """Counts what is read by path; ``before`` is called with the path first."""

    def __init__(self, inner: StorageDriver, before: Callable[[str], None] = lambda _: None):
        super().__init__(inner)
        self.asked: Counter[str] = Counter()
        self._before = before

    def get(self, path: str, limit: int) -> bytes:
        self.asked[path] += 1
        self._before(path)
        return super().get(path, limit)


def reader_of(
    storage: Storage, driver: StorageDriver | None = None, cache: ReferenceCache | None = None
) -> ManifestReader:
    return ManifestReader(
        driver or storage.driver, storage.mapper, storage.inventory, cache, jobs=4
    )


def layers(storage: Storage, reader: ManifestReader, manifest: Digest) -> list[Digest]:
    found = reader(storage.number(manifest))
    assert isinstance(found, NumberedReferences)
    return [storage.inventory.table.digest(number) for number in found.layers]


def test_each_manifest_is_read_once() -> None:
    storage = Storage()
    layer = storage.blob()
    images = [storage.image(layer) for _ in range(2500)]
    driver = Counting(storage.driver)
    numbers = [storage.number(image) for image in images]
    with reader_of(storage, driver) as reader:
        reader.read(numbers * 2)
        reader.read(numbers)
        assert all(layers(storage, reader, image) == [layer] for image in images)
        assert reader.fetched == 2500
    assert set(driver.asked.values()) == {1}
    assert len(driver.asked) == 2500


def test_what_is_not_read_yet_is_read_when_it_is_asked_for() -> None:
    storage = Storage()
    layer = storage.blob()
    image = storage.image(layer)
    with reader_of(storage) as reader:
        assert layers(storage, reader, image) == [layer]


def test_many_are_in_flight_together() -> None:
    """Four threads meet, or none of them goes on."""
    storage = Storage()
    numbers = [storage.number(storage.image()) for _ in range(8)]
    barrier = threading.Barrier(4)

    def meet(_: str) -> None:
        barrier.wait(timeout=30)

    driver = Counting(storage.driver, meet)
    with reader_of(storage, driver) as reader:
        reader.read(numbers)
    assert not barrier.broken


def test_children_are_read_to_any_depth_and_those_that_went_round_once() -> None:
    storage = Storage()
    image, other = storage.image(), storage.image()
    inner = storage.index(image, other)
    outer = storage.index(inner, image, NOWHERE)
    driver = Counting(storage.driver)
    with reader_of(storage, driver) as reader:
        reader.read_with_children([storage.number(outer)])
        assert reader.fetched == 5
        driver.asked.clear()
        for digest in (image, other, inner, outer):
            assert isinstance(reader(storage.number(digest)), NumberedReferences)
        assert reader(storage.number(NOWHERE)) == Missing()
    assert not driver.asked


def test_a_blob_that_was_not_listed_may_have_come_since() -> None:
    storage = Storage()
    layer = storage.blob()
    image = storage.image(layer, seen=False)
    with reader_of(storage) as reader:
        assert layers(storage, reader, image) == [layer]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{}", "has the digest"),
        (b"", "has the digest"),
        (b'{"a":"' + b"x" * (4 << 20) + b'"}', "more than"),
    ],
)
def test_wrong_bytes_say_how(content: bytes, words: str) -> None:
    storage = Storage()
    storage.put(NOWHERE, content)
    with reader_of(storage) as reader:
        found = reader(storage.number(NOWHERE))
    assert isinstance(found, Wrong)
    assert words in found.reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no", "not valid JSON"),
        (b'{"schemaVersion":2,"layers":[{"digest":"sha256:x"}]}', "layers[0].digest"),
    ],
)
def test_what_is_no_manifest_says_why_on_one_line(content: bytes, words: str) -> None:
    storage = Storage()
    digest = storage.blob(content)
    with reader_of(storage) as reader:
        found = reader(storage.number(digest))
    assert isinstance(found, Wrong)
    assert words in found.reason
    assert "\n" not in found.reason


def test_a_digest_that_cannot_be_computed_is_wrong() -> None:
    storage = Storage()
    odd = storage.put(Digest.parse("tarsum.v1+sha512:" + "1" * 128), b"{}")
    with reader_of(storage) as reader:
        found = reader(storage.number(odd))
    assert isinstance(found, Wrong)
    assert "cannot be verified" in found.reason


@pytest.mark.parametrize("error", [UnavailableError("no answer"), DeniedError("denied")])
def test_no_failure_is_taken_for_an_absence(error: RegctlError) -> None:
    storage = Storage()
    images = [storage.image() for _ in range(20)]
    bad = storage.path(images[7])

    def fail(path: str) -> None:
        if path == bad:
            raise error

    with reader_of(storage, Counting(storage.driver, fail)) as reader:
        with pytest.raises(type(error)):
            reader.read(map(storage.number, images))
        with pytest.raises(type(error)):
            reader(storage.number(images[7]))


def test_a_second_run_reads_nothing() -> None:
    storage = Storage()
    layer = storage.blob()
    image = storage.image(layer, Digest.parse("sha512:" + "5" * 128))
    index = storage.index(image)
    with closing(ReferenceCache(None)) as cache:
        with reader_of(storage, cache=cache) as reader:
            reader.read_with_children([storage.number(index)])
            first = layers(storage, reader, image)
            assert (reader.fetched, reader.known) == (2, 0)
        driver = Counting(storage.driver)
        with reader_of(storage, driver, cache) as reader:
            reader.read_with_children([storage.number(index)])
            assert layers(storage, reader, image) == first
            assert (reader.fetched, reader.known) == (0, 2)
    assert not driver.asked


def test_the_cache_does_not_replace_the_listing() -> None:
    storage = Storage()
    image = storage.image()
    with closing(ReferenceCache(None)) as cache:
        with reader_of(storage, cache=cache) as reader:
            reader(storage.number(image))
        storage.driver.delete(storage.path(image))
        storage.inventory.blobs.discard(storage.number(image))
        with reader_of(storage, cache=cache) as reader:
            assert reader(storage.number(image)) == Missing()


def test_what_is_wrong_is_not_cached_and_nonsense_in_the_cache_is_not_believed() -> None:
    storage = Storage()
    layer = storage.blob()
    image, other = storage.image(layer), storage.image()
    bad = storage.put(sha256(b"x"), b"y")
    with closing(ReferenceCache(None)) as cache:
        with reader_of(storage, cache=cache) as reader:
            reader.read(map(storage.number, (image, other, bad)))
        records = cache.get_many([image, other, bad])
        assert set(records) == {image, other}
        cache.put_many([(image, records[other]), (other, records[other][:-1])])
        with reader_of(storage, cache=cache) as reader:
            assert layers(storage, reader, image) == [layer]
            reader(storage.number(other))
            assert (reader.fetched, reader.known) == (2, 0)
        assert cache.get_many([image, other]) == records
