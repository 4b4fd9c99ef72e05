"""Signatures as registries stored them: of January 2015, 2.0.0 and 2.4.1."""

from __future__ import annotations

import json
import re
import tarfile
from collections import defaultdict
from functools import cache

import pytest

from regctl.signature.libtrust import merge, parse, parse_blob, verify_push
from tests.trees import VECTORS

_LINK = re.compile(
    r"docker/registry/v2/repositories/(.+?)/_?manifests/revisions/sha256/([0-9a-f]{64})"
    r"/signatures/sha256/([0-9a-f]{64})/link"
)
_BLOB = re.compile(r"docker/registry/v2/blobs?/sha256/(?:../)?([0-9a-f]{64})(?:/data)?")
TREES = ("seed-basic", "seed-full", "seed-deleted", "old-2.0.0", "old-2.4.1")
Revisions = dict[tuple[str, str], list[bytes]]


@cache
def stored(tree: str) -> tuple[Revisions, dict[str, bytes]]:
    """Signature blobs by repository and revision, and every blob by its hex digest."""
    links: list[tuple[str, str, str]] = []
    blobs: dict[str, bytes] = {}
    with tarfile.open(VECTORS / tree / "root.tar.gz") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if match := _LINK.fullmatch(name):
                links.append((match[1], match[2], match[3]))
            elif (match := _BLOB.fullmatch(name)) and (file := archive.extractfile(member)):
                blobs[match[1]] = file.read()
    revisions: Revisions = defaultdict(list)
    for repository, revision, signature in links:
        revisions[repository, revision].append(blobs[signature])
    return revisions, blobs


@pytest.mark.parametrize("tree", TREES)
def test_every_stored_revision_is_served_verified(tree: str) -> None:
    revisions, blobs = stored(tree)
    assert revisions
    for (repository, revision), signatures in revisions.items():
        served = merge(blobs[revision], signatures)
        assert verify_push(served, repository, None) == ()
        assert parse(served).payload == blobs[revision]
        assert [parse_blob(each).blob for each in signatures] == signatures


@pytest.mark.parametrize("tree", ["old-2.0.0", "old-2.4.1"])
def test_what_is_served_has_the_length_of_what_the_registry_served(tree: str) -> None:
    revisions, blobs = stored(tree)
    listing = json.loads((VECTORS / tree / "listing.json").read_text())
    compared = 0
    for repository, answers in listing["api"]["repositories"].items():
        for answer in answers["tags"].values():
            revision = answer.get("digest", "").removeprefix("sha256:")
            if signatures := revisions.get((repository, revision)):
                assert len(merge(blobs[revision], signatures)) == answer["length"]
                compared += 1
    assert compared
