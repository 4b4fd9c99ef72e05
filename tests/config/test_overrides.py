"""``REGISTRY_*`` variables, with the oddities of the registry's own parser."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.config.overrides import apply_overrides
from regctl.config.yamltext import load_yaml
from regctl.errors import ConfigurationError

BASE = """
version: 0.1
storage:
  filesystem: {rootdirectory: /srv}
  maintenance: {uploadpurging: {age: 24h}}
http: {secret: s, addr: a}
"""


def applied(base: str, **environ: str) -> dict[str, object]:
    document = load_yaml(base)
    assert isinstance(document, dict)
    before = repr(document)
    result, _ = apply_overrides(document, environ, "config.yml")
    assert repr(document) == before
    return result


def storage(base: str, **environ: str) -> object:
    return applied(base, **environ)["storage"]


def test_a_member_is_replaced() -> None:
    result = storage(BASE, REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY="/other")
    assert isinstance(result, dict)
    assert result["filesystem"] == {"rootdirectory": "/other"}
    assert result["maintenance"] == {"uploadpurging": {"age": "24h"}}


def test_shorter_names_go_first() -> None:
    result = storage(
        BASE,
        REGISTRY_STORAGE_S3_BUCKET="b",
        REGISTRY_STORAGE="s3",
        REGISTRY_STORAGE_S3_REGION="r",
    )
    assert result == {"s3": {"bucket": "b", "region": "r"}}


def test_values_are_yaml() -> None:
    result = storage(
        BASE,
        REGISTRY_STORAGE="{s3: {bucket: b, secure: yes}}",
        REGISTRY_STORAGE_CACHE="{blobdescriptor: redis}",
        REGISTRY_STORAGE_S3_ACCESSKEY='"quoted"',
        REGISTRY_STORAGE_S3_SECRETKEY="0123",
        REGISTRY_STORAGE_S3_KEYID="",
    )
    assert result == {
        "s3": {
            "bucket": "b",
            "secure": "yes",
            "accesskey": "quoted",
            "secretkey": "0123",
            "keyid": None,
        },
        "cache": {"blobdescriptor": "redis"},
    }


def test_maps_that_are_not_there_are_made() -> None:
    made = {"filesystem": {"rootdirectory": "/srv"}}
    environ = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/srv"}
    for base in ("a: b", "storage:", "storage: filesystem", "storage: {filesystem: }"):
        assert storage(base, **environ) == made


def test_members_are_found_in_any_case_and_made_in_lower_case() -> None:
    assert storage("storage: {FileSystem: {a: b}}", REGISTRY_STORAGE_FILESYSTEM_X="y") == {
        "FileSystem": {"a": "b", "x": "y"}
    }
    assert storage("storage: {s3: {Bucket: a}}", REGISTRY_STORAGE_S3_BUCKET="b") == {
        "s3": {"Bucket": "a", "bucket": "b"}
    }


def test_maps_below_a_members_own_are_out_of_reach() -> None:
    """A registry skips these: to its YAML library their keys need not be text."""
    assert applied(BASE, REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE="1h") == applied(BASE)


def test_maps_that_variables_made_are_in_reach() -> None:
    base = "storage: {filesystem: {}, maintenance: {uploadpurging: }}"
    assert storage(
        base,
        REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE="1h",
        REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_DRYRUN="true",
    ) == {
        "filesystem": {},
        "maintenance": {"uploadpurging": {"age": "1h", "dryrun": "true"}},
    }


def test_a_member_that_is_text_holds_no_others() -> None:
    base = "storage: {s3: {bucket: b}}"
    assert applied(base, REGISTRY_STORAGE_S3_BUCKET_NAME="x") == applied(base)


def test_http() -> None:
    assert applied(BASE, REGISTRY_HTTP_SECRET="new")["http"] == {"secret": "new", "addr": "a"}
    assert applied(BASE, REGISTRY_HTTP="{secret: x}")["http"] == {"secret": "x"}
    assert applied("a: b", REGISTRY_HTTP_SECRET="new")["http"] == {"secret": "new"}
    assert applied("http: text", REGISTRY_HTTP_SECRET="new")["http"] == "text"
    assert applied(BASE, REGISTRY_HTTP_SECRET_X="new")["http"] == {"secret": "s", "addr": "a"}


def test_what_took_part_is_told() -> None:
    document: dict[str, object] = {"storage": {"filesystem": {}}}
    environ = {
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/x",
        "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR_X_Y": "z",
        "REGISTRY_HTTP_ADDR": "z",
        "REGISTRY_LOG_LEVEL": "{{{",
        "registry_storage": "s3",
        "REGISTRYSTORAGE": "s3",
        "PATH": "/bin",
    }
    _, names = apply_overrides(document, environ, "config.yml")
    assert names == (
        "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR_X_Y",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY",
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REGISTRY_STORAGE_S3", "hunter2"),
        ("REGISTRY_STORAGE_S3", "[hunter2]"),
        ("REGISTRY_HTTP_SECRET", "hunter2: [hunter2"),
        ("REGISTRY_STORAGE_S3_SECRETKEY", "*hunter2"),
        ("REGISTRY_STORAGE_S3_SECRETKEY", "hunter2\x01"),
    ],
)
def test_a_variable_that_cannot_be_applied_is_named_without_its_value(
    variable: str, value: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        applied(BASE, **{variable: value})
    assert variable in caught.value.message
    assert "config.yml" in caught.value.message
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


@given(
    st.dictionaries(
        st.lists(st.sampled_from(["STORAGE", "HTTP", "S3", "SECRET", "A", ""]), max_size=5).map(
            lambda parts: "_".join(["REGISTRY", *parts])
        ),
        st.sampled_from(["", "x", "{a: {b: c}}", "[x]", "{s3: }"]),
    )
)
def test_nothing_else_is_raised(environ: dict[str, str]) -> None:
    with suppress(ConfigurationError):
        assert applied(BASE, **environ)["version"] == "0.1"
