from __future__ import annotations

import pytest

from regctl.digest import Digest
from regctl.errors import InvalidNameError
from regctl.layout import RepositoryName, Tag
from regctl.signature.policy_reference import DockerReference, scopes_of

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "name", "tag", "digest"),
    [
        ("busybox", "docker.io/library/busybox", "", ""),
        ("busybox:1", "docker.io/library/busybox", "1", ""),
        ("team/app", "docker.io/team/app", "", ""),
        ("index.docker.io/busybox", "docker.io/library/busybox", "", ""),
        ("docker.io/team/app", "docker.io/team/app", "", ""),
        ("localhost/app", "localhost/app", "", ""),
        ("host:5000/a/b:v1", "host:5000/a/b", "v1", ""),
        ("Host.example/a", "Host.example/a", "", ""),
        (f"r.example/a@{DIGEST}", "r.example/a", "", DIGEST),
        (f"r.example/a:v1@{DIGEST}", "r.example/a", "v1", DIGEST),
        ("r.example/a--b__c.d_e", "r.example/a--b__c.d_e", "", ""),
    ],
)
def test_references(text: str, name: str, tag: str, digest: str) -> None:
    reference = DockerReference.parse(text)
    assert reference == DockerReference(name, tag, digest)
    assert DockerReference.parse(str(reference)) == reference
    assert reference.is_name_only == (not tag and not digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":v1",
        "Busybox",
        "r.example/App",
        "r.example/a:",
        "r.example/a:v1\n",
        "r.example/a@sha256:ab",
        "r.example/a@md5:" + "0" * 32,
        f"r.example/a@{DIGEST.upper()}",
        "r.example//a",
        "r.example/a/",
        "r.example/..",
        "a b",
        "ab" * 32,
        "r.example/" + "a" * 256,
        "r.example/é",
        "https://r.example/a",
    ],
)
def test_refused_references(text: str) -> None:
    with pytest.raises(InvalidNameError):
        DockerReference.parse(text)


@pytest.mark.timeout(60)
def test_a_hostile_text_does_not_hang() -> None:
    """The expression of the reference grammar, taken over as it is, takes exponential time here."""
    for text in ("a" * 600 + "!", "r.example/" + "a-" * 250, "a." * 300, "-" * 600):
        with pytest.raises(InvalidNameError):
            DockerReference.parse(text)


def test_the_reference_of_an_image_in_this_storage() -> None:
    name, tag = RepositoryName.parse("team/app"), Tag.parse("v1")
    assert str(DockerReference.of("h:5000", name, tag)) == "h:5000/team/app:v1"
    assert str(DockerReference.of("localhost", name)) == "localhost/team/app"
    by_digest = DockerReference.of("r.example", name, digest=Digest.parse(DIGEST))
    assert str(by_digest) == f"r.example/team/app@{DIGEST}"


@pytest.mark.parametrize("host", ["", "registry", "a/b", "https://r.example", "r.example/", "h:x"])
def test_refused_hosts(host: str) -> None:
    """``registry/team/app`` is a name at Docker Hub to every client."""
    with pytest.raises(InvalidNameError, match="not the host of a registry"):
        DockerReference.of(host, RepositoryName.parse("app"))


def test_scopes_from_the_most_specific() -> None:
    assert scopes_of(DockerReference.parse("a.b.example:5000/ns/app:v1")) == [
        "a.b.example:5000/ns/app:v1",
        "a.b.example:5000/ns/app",
        "a.b.example:5000/ns",
        "a.b.example:5000",
        "*.b.example",
        "*.example",
    ]
    assert scopes_of(DockerReference.parse("localhost/app:v1"))[1:] == [
        "localhost/app",
        "localhost",
    ]
