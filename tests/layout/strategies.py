"""Strategies for every spec of both layouts."""

from __future__ import annotations

from hypothesis import strategies as st

from regctl.digest import Digest
from regctl.layout import Layout, RepositoryName, Tag, UploadId, specs

LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128, "md5": 32, "sha1": 40}
LABELS = ("tarsum", "tarsum.v1", "tarsum.dev")
#: Words that the layouts use themselves, which are fine names of components and tags.
WORDS = ("manifests", "layers", "uploads", "tags", "revisions", "tarsum", "index", "current", "a")

#: Words of the layout, and text of any kind: the components of paths that may mean something.
PARTS = st.sampled_from(
    [
        *WORDS,
        *("_manifests", "_layers", "_uploads", "link", "data", "startedat", "hashstates"),
        *("repositories", "blobs", "sha256", "sha512", "v0", "v1", "ab", "0", "signatures"),
        *("ab" * 32, "cd" * 64, "11111111-2222-4333-8444-555555555555", "", ".", ".."),
    ]
) | st.text(max_size=4)


def _digest(algorithm: str) -> st.SearchStrategy[Digest]:
    length = LENGTHS[algorithm.rpartition("+")[2]]
    hexes = st.text(st.sampled_from("0123456789abcdef"), min_size=length, max_size=length)
    return hexes.map(lambda digits: Digest.parse(f"{algorithm}:{digits}"))


PLAIN_DIGESTS = st.sampled_from(sorted(LENGTHS)).flatmap(_digest)
TARSUMS = st.sampled_from([f"{a}+{b}" for a in LABELS for b in ("sha256", "sha512")]).flatmap(
    _digest
)
DIGESTS = PLAIN_DIGESTS | TARSUMS
NAMES = st.lists(st.sampled_from(WORDS) | st.from_regex(r"[a-z0-9]{1,3}", fullmatch=True))
REPOSITORIES = (
    NAMES.filter(bool).map("/".join).filter(lambda name: len(name) < 255).map(RepositoryName.parse)
)
TAGS = (
    (st.sampled_from(WORDS) | st.from_regex(r"[A-Za-z0-9_][\w.-]{0,8}", fullmatch=True))
    .filter(str.isascii)
    .map(Tag.parse)
)
UPLOADS = st.uuids().map(str).map(UploadId.parse)
ALGORITHMS = st.sampled_from(sorted(LENGTHS))
OFFSETS = st.integers(0, 10**18)

_FIELDS: dict[str, st.SearchStrategy[object]] = {
    "name": REPOSITORIES,
    "digest": DIGESTS,
    "revision": DIGESTS,
    "signature": DIGESTS,
    "tag": TAGS,
    "upload": UPLOADS,
    "algorithm": ALGORITHMS,
    "offset": OFFSETS,
}
FILES: tuple[type[specs.Spec], ...] = (
    specs.BlobData,
    specs.LayerLink,
    specs.RevisionLink,
    specs.SignatureLink,
    specs.TagCurrentLink,
    specs.TagIndexEntryLink,
    specs.UploadData,
    specs.UploadStartedAt,
    specs.HashState,
)
DIRECTORIES: tuple[type[specs.Spec], ...] = tuple(
    each
    for each in vars(specs).values()
    if isinstance(each, type)
    and issubclass(each, specs.Spec)
    and not each.__name__.startswith("_")
    and each not in (specs.Spec, specs.Intermediate, specs.Foreign, *FILES)
)
_HASH_STATES = (specs.HashState, specs.HashStates, specs.HashStatesOf)


def has(layout: Layout, kind: type[specs.Spec]) -> bool:
    """Whether ``layout`` has such a place: that of 2015 keeps no hash states."""
    return layout is Layout.CURRENT or kind not in _HASH_STATES


def spec_of(kind: type[specs.Spec], layout: Layout) -> st.SearchStrategy[specs.Spec]:
    """Any spec of ``kind`` that ``layout`` has: in 2015 every layer was a TarSum's."""
    fields = dict(_FIELDS)
    if layout is Layout.Y2015 and kind in (specs.LayerLink, specs.LayerDirectory):
        fields["digest"] = TARSUMS
    wanted = {name: fields[name] for name in kind.__dataclass_fields__}
    return st.builds(kind, **wanted)
