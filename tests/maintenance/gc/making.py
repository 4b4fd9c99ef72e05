"""Storages with a clock that tests set, filled by the services, and surveys of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.memory import MemoryDriver
from regctl.errors import RegctlError
from regctl.layout import PathMapper, RepositoryName, Tag, specs
from regctl.maintenance.gc.lock import no_lock
from regctl.maintenance.gc.survey import Policy, Survey
from regctl.maintenance.gc.sweep import Sweep, Swept
from regctl.maintenance.gc.things import ThingKind
from regctl.maintenance.gc.view import Means, View, look
from regctl.maintenance.inventory.refcache import ReferenceCache
from regctl.manifest import parse_manifest
from regctl.registry import Registry, Repository
from regctl.registry.completeness import take_inventory
from tests.images import Image, Index
from tests.maintenance.gc.slowscan import scan_slowly
from tests.objectstore import ObjectsDriver
from tests.registry.storages import push_image

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_700_000_000.0
MAPPER = PathMapper()
#: Everything goes that nothing needs, with no regard for its age.
AT_ONCE = Policy(untagged=True, grace=0)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Place:
    """A storage, and what is done with it."""

    def __init__(self, make: Callable[[Clock], StorageDriver] | None = None) -> None:
        self.clock = Clock()
        make = make or MemoryDriver
        self.driver: StorageDriver = CheckedDriver(make(self.clock))

    def repository(self, name: str) -> Repository:
        registry = Registry(self.driver, clock=self.clock, sleep=lambda _: None)
        return registry.repository_to_fill(RepositoryName.parse(name))

    def push(self, name: str, pushed: Image | Index, tag: str | None = "latest") -> Digest:
        return push_image(self.repository(name), pushed, None if tag is None else Tag.parse(tag))

    def untag(self, name: str, tag: str) -> None:
        self.repository(name).tags.remove(Tag.parse(tag))

    def age(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds

    def survey(self, policy: Policy = AT_ONCE) -> Survey:
        with ReferenceCache(None) as cache, self.look(cache) as view:
            return view.survey(policy, self.driver.now())

    @contextmanager
    def look(self, cache: ReferenceCache) -> Iterator[View]:
        means = Means(cache, jobs=2, sleep=lambda _: None)
        with look(self.driver, means, tag_indexes=True) as view:
            yield view

    def sweep(self, policy: Policy = AT_ONCE, driver: StorageDriver | None = None) -> Swept:
        """Collect, all in one run and outright; by ``driver``, unless by the storage's own."""
        driver = driver or self.driver
        with ReferenceCache(None) as cache:
            means = Means(cache, jobs=2, sleep=lambda _: None)
            with look(driver, means, tag_indexes=True) as view:
                survey = view.survey(policy, self.driver.now())
                oldest = survey.now - policy.grace
                return Sweep(driver, means, no_lock()).sweep(view, survey.garbage, oldest)

    def goes(self, kind: ThingKind, policy: Policy = AT_ONCE) -> set[tuple[str, Digest | None]]:
        """Repository ("" for blobs) and digest of everything of ``kind`` that goes."""
        things = self.survey(policy).garbage.things(kind)
        return {(str(each.repository or ""), each.digest) for each in things}

    def blobs(self, policy: Policy = AT_ONCE) -> set[Digest | None]:
        """The blobs that go."""
        return {digest for _, digest in self.goes(ThingKind.BLOB, policy)}

    def path(self, digest: Digest) -> str:
        return MAPPER.path(specs.BlobData(digest))

    def stored(self) -> set[Digest]:
        """Every blob that is there."""
        inventory = scan_slowly(self.driver)
        return {inventory.table.digest(number) for number in inventory.blobs}


def whole_tags(driver: StorageDriver) -> set[tuple[str, str, Digest]]:
    """Every tag that can be pulled whole: repository, tag, revision."""
    registry = Registry(driver, clock=lambda: START, sleep=lambda _: None)
    whole = set()
    for entry in registry.catalog().listed:
        repository = registry.repository(entry.name)
        for tag in repository.tags.list():
            found = _named_whole(repository, tag)
            if found is not None:
                whole.add((str(entry.name), str(tag), found))
    return whole


def _named_whole(repository: Repository, tag: Tag) -> Digest | None:
    try:
        revision = repository.tags.get(tag)
        manifest = parse_manifest(repository.manifests.get(revision))
        reasons = take_inventory(repository, manifest).reasons
    except RegctlError:
        return None
    return None if reasons else revision


def digests(pushed: Iterable[Image | Index]) -> set[Digest]:
    """Every blob of these images."""
    return {blob.digest for each in pushed for blob in each.content}


def memory(clock: Clock) -> StorageDriver:
    return MemoryDriver(clock)


def objects(clock: Clock) -> StorageDriver:
    return ObjectsDriver(clock)
