"""Names: what the Distribution grammar allows, and nothing else, before any path is made."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.errors import InvalidDigestError, InvalidNameError, RegctlError, UnsupportedDigestError
from regctl.layout import LAYOUT_ROOT, PathMapper, Reference, RepositoryName, Tag, UploadId, specs

HEX = "ab" * 32
DIGEST = f"sha256:{HEX}"
#: The grammar in other words, to compare with.
COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")
ALMOST = st.text(st.sampled_from("aZ0._-/:@ \x00\né\u0660"), max_size=12)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a",
            "0",
            "a/b",
            "a/b/c/d",
            "a.b",
            "a_b",
            "a__b",
            "a-b",
            "a---b",
            "a.b-c__d/e",
            "a" * 255,
        ),
        *("manifests/tags", "layers/tarsum", "blobs", "a/link", "127.0.0.1/app"),
    ],
)
def test_repository_names(text: str) -> None:
    assert str(RepositoryName.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/./b", "_layers", "a/_layers", "A"),
        *("a..b", "a___b", "a._b", "-a", "a-", ".a", "a.", "_a", "a_", "a b", "a\x00", "a\n"),
        *("a/B", "a:b", "a@b", "é", "a/\u0660", "a\\b", "a" * 256, "a\udcff"),
    ],
)
def test_what_is_no_repository_name(text: str) -> None:
    with pytest.raises(InvalidNameError) as caught:
        RepositoryName.parse(text)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 200


@given(ALMOST)
def test_repository_names_are_components_joined_by_slashes(text: str) -> None:
    allowed = all(COMPONENT.match(part) for part in text.split("/"))
    try:
        RepositoryName.parse(text)
    except InvalidNameError:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize(
    "text", ["a", "_", "_x", "V1.0-rc_1", "0", "a" * 128, "a..b", "sha256-x.sig"]
)
def test_tags(text: str) -> None:
    assert str(Tag.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", ".a", "-a", ".", "..", "a/b", "a:b", "a" * 129, "a\n", "é", "a b", "a\x00"]
)
def test_what_is_no_tag(text: str) -> None:
    with pytest.raises(InvalidNameError) as caught:
        Tag.parse(text)
    assert len(caught.value.message) < 200


@given(st.uuids())
def test_upload_ids_of_any_version(value: uuid.UUID) -> None:
    assert str(UploadId.parse(str(value))) == str(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "a" * 36,
        "49689635-5298-4862-A99E-7295F476D69C",
        "ea1d12f7-2638-41d0-96ba-6f2a17568be6\n",
    ],
)
def test_what_is_no_upload_id(text: str) -> None:
    with pytest.raises(InvalidNameError):
        UploadId.parse(text)


def test_new_upload_ids_are_random_uuids() -> None:
    made = {UploadId.new() for _ in range(3)}
    assert len(made) == 3
    assert {uuid.UUID(str(each)).version for each in made} == {4}


@pytest.mark.parametrize("text", ["a/b", "a/b:v1", f"a/b@{DIGEST}", "a:_", "a@sha512:" + "0" * 128])
def test_references(text: str) -> None:
    assert str(Reference.parse(text)) == text


def test_the_parts_of_a_reference() -> None:
    plain = Reference.parse("a/b")
    assert (plain.tag, plain.digest) == (None, None)
    tagged = Reference.parse("a/b:v1")
    assert (str(tagged.repository), str(tagged.tag), tagged.digest) == ("a/b", "v1", None)
    exact = Reference.parse(f"a/b@{DIGEST}")
    assert (str(exact.repository), exact.tag, str(exact.digest)) == ("a/b", None, DIGEST)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", InvalidNameError),
        ("a:", InvalidNameError),
        (":v1", InvalidNameError),
        ("a:v1:v2", InvalidNameError),
        ("host:5000/a", InvalidNameError),
        (f"a:v1@{DIGEST}", InvalidNameError),
        (f"A@{DIGEST}", InvalidNameError),
        ("a@", InvalidDigestError),
        ("a@v1", InvalidDigestError),
        ("a@sha256:abc", InvalidDigestError),
        (f"a@sha256:{HEX.upper()}", InvalidDigestError),
        (f"a@blake3:{HEX}", UnsupportedDigestError),
    ],
)
def test_what_is_no_reference(text: str, error: type[RegctlError]) -> None:
    with pytest.raises(error):
        Reference.parse(text)


@given(st.text(max_size=20) | ALMOST)
def test_whatever_is_parsed_stays_below_the_root(text: str) -> None:
    """No name leads out of its repository, whatever is given as one."""
    for kind, make in ((RepositoryName, specs.Tags), (Tag, _tag_path), (UploadId, _upload_path)):
        try:
            name = kind.parse(text)
        except InvalidNameError:
            continue
        path = PathMapper().path(make(name))  # type: ignore[arg-type]  # each its own kind
        assert path.startswith(f"{LAYOUT_ROOT}/repositories/")
        assert not {"", ".", ".."} & set(path[1:].split("/"))


def _tag_path(tag: Tag) -> specs.Spec:
    return specs.TagDirectory(RepositoryName.parse("a"), tag)


def _upload_path(upload: UploadId) -> specs.Spec:
    return specs.UploadDirectory(RepositoryName.parse("a"), upload)
