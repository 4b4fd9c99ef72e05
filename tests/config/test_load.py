"""Where the settings come from, and a registry's configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from regctl.config import DEFAULT_UPLOAD_AGE, Settings, load
from regctl.errors import ConfigurationError, UsageError

SECRET = "hunter2"
MINIMAL = "version: 0.1\nstorage: {filesystem: {rootdirectory: /srv/registry}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yml"


def read(file: Path, content: str | bytes, **environ: str) -> Settings:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load(None, str(file), environ)


def refusal(file: Path, content: str | bytes, **environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(file, content, **environ)
    error = caught.value
    assert str(file) in error.message
    assert "\n" not in error.message
    shown = f"{error} {error.hint} {error.__cause__}"
    assert SECRET not in shown
    return error


def test_the_first_place_counts(file: Path, tmp_path: Path) -> None:
    file.write_text(MINIMAL.replace("/srv/registry", "/from-file"))
    fallback, absent = tmp_path / "default.yml", str(tmp_path / "absent.yml")
    fallback.write_text(MINIMAL.replace("/srv/registry", "/from-default"))
    environ = {"REGCTL_STORAGE": "/from-variable", "REGCTL_CONFIG": str(file)}
    only_config = {"REGCTL_CONFIG": str(file), "REGCTL_STORAGE": ""}
    defaults = (absent, str(fallback))
    found = [
        load("/from-option", None, environ, defaults),
        load(None, str(file), environ, defaults),
        load(None, None, environ, defaults),
        load(None, None, only_config, defaults),
        load(None, None, {"REGCTL_CONFIG": ""}, defaults),
    ]
    assert [each.storage.describe() for each in found] == [
        "/from-option (from --storage)",
        f"/from-file (from {file})",
        "/from-variable (from REGCTL_STORAGE)",
        f"/from-file (from REGCTL_CONFIG={file})",
        f"/from-default (from {fallback})",
    ]


def test_both_options_are_a_usage_error(file: Path) -> None:
    with pytest.raises(UsageError, match="--config") as caught:
        load("/x", str(file), {})
    assert caught.value.exit_code == 2


def test_nothing_configured_lists_the_ways(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no storage is configured") as caught:
        load(None, None, {}, (str(tmp_path / "absent.yml"), str(tmp_path / "a" / "b.yml")))
    for way in ("--storage", "--config", "REGCTL_STORAGE", "REGCTL_CONFIG", "absent.yml"):
        assert way in str(caught.value.hint)


def test_a_default_that_cannot_be_read_is_no_absence(tmp_path: Path, file: Path) -> None:
    """Going on to the next file would work on another storage than the registry's."""
    file.write_text(MINIMAL)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(None, None, {}, (str(tmp_path), str(file)))


@pytest.mark.parametrize("name", ["absent.yml", "", "a\0b", "file/config.yml"])
def test_a_file_that_was_named_must_be_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    path = str(tmp_path / name) if name else ""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(None, path, {}, ())
    if path:
        with pytest.raises(ConfigurationError, match=r"REGCTL_CONFIG=.* cannot be read"):
            load(None, None, {"REGCTL_CONFIG": path}, ())


def test_a_minimal_file(file: Path) -> None:
    settings = read(file, MINIMAL)
    assert settings.storage.parameters == {"rootdirectory": "/srv/registry"}
    assert (settings.http_secret, settings.upload_age, settings.cache) == (None, 604_800, None)
    assert settings.upload_age == DEFAULT_UPLOAD_AGE


@pytest.mark.parametrize(
    "storage",
    ["filesystem", "{filesystem: }", "{filesystem: {}}", "{filesystem: {rootdirectory: }}"],
)
def test_the_registrys_default_directory(file: Path, storage: str) -> None:
    settings = read(file, f"version: 0.1\nstorage: {storage}\n")
    assert settings.storage.parameters == {"rootdirectory": "/var/lib/registry"}


def test_a_full_file(file: Path) -> None:
    settings = read(
        file,
        """
        version: "0.1"
        log: {level: debug, fields: {service: registry}}
        storage:
          s3aws:
            accesskey: 0123
            secretkey: hunter2
            region: eu-west-1
            regionendpoint: http://minio:9000
            bucket: images
            encrypt: no
            secure: "true"
            chunksize: 0x500000
            multipartcopymaxconcurrency: 10
            keyid: null
            rootdirectory: /reg/
            future: {a: 1}
          delete: {enabled: true}
          redirect: {disable: true}
          tag: {concurrencylimit: 5}
          cache: {blobdescriptor: redis}
          maintenance:
            uploadpurging: {enabled: true, age: 1h30m, interval: 24h, dryrun: false}
            readonly: {enabled: false}
        http:
          addr: :5000
          secret: 0123
        health: {storagedriver: {enabled: true}}
        """,
    )
    assert settings.storage.driver == "s3"
    assert settings.storage.parameters == {
        "accesskey": "0123",
        "secretkey": "hunter2",
        "region": "eu-west-1",
        "regionendpoint": "http://minio:9000",
        "bucket": "images",
        "encrypt": False,
        "secure": True,
        "chunksize": 5 << 20,
        "multipartcopymaxconcurrency": 10,
        "rootdirectory": "/reg/",
        "future": {"a": "1"},
    }
    assert settings.storage.describe() == f"s3://images/reg at minio:9000 (from {file})"
    assert (settings.http_secret, settings.upload_age, settings.cache) == ("0123", 5400, "redis")
    assert SECRET not in repr(settings)
    assert "0123" not in repr(settings)


def test_gcs_with_its_credentials(file: Path) -> None:
    settings = read(
        file,
        "version: 0.1\nstorage: {gcs: {bucket: b, maxconcurrency: 5, "
        "credentials: {type: service_account, private_key: hunter2}}}",
    )
    assert settings.storage.parameters == {
        "bucket": "b",
        "maxconcurrency": 5,
        "credentials": {"type": "service_account", "private_key": "hunter2"},
    }
    assert SECRET not in repr(settings)


def test_the_cache_of_old_files(file: Path) -> None:
    content = "version: 0.1\nstorage: {filesystem: , cache: {layerinfo: inmemory}}"
    assert read(file, content).cache == "inmemory"
    content = "version: 0.1\nstorage: {filesystem: , cache: {layerinfo: a, blobdescriptor: b}}"
    assert read(file, content).cache == "b"


def test_a_file_may_use_anchors(file: Path) -> None:
    content = "version: 0.1\nx: &x {rootdirectory: /srv}\nstorage: {filesystem: {<<: *x, a: b}}"
    assert read(file, content).storage.parameters == {"rootdirectory": "/srv", "a": "b"}


def test_overrides_are_applied_and_named(file: Path) -> None:
    """A plan that named only the file would name a storage that is not in it."""
    settings = read(
        file,
        MINIMAL,
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY="/elsewhere",
        REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR="inmemory",
        REGISTRY_HTTP_SECRET=SECRET,
    )
    assert settings.storage.describe() == (
        f"/elsewhere (from {file}, REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY)"
    )
    assert (settings.cache, settings.http_secret) == ("inmemory", SECRET)


def test_an_override_can_change_the_driver(file: Path) -> None:
    settings = read(
        file,
        MINIMAL,
        REGISTRY_STORAGE="gcs",
        REGISTRY_STORAGE_GCS_BUCKET="b",
        REGISTRY_STORAGE_GCS_ROOTDIRECTORY="/p",
    )
    assert settings.storage.describe().startswith(f"gs://b/p (from {file}, REGISTRY_STORAGE, ")


def test_the_secret_of_the_environment_goes_first(file: Path) -> None:
    content = MINIMAL + "http: {secret: in-file}\n"
    assert read(file, content).http_secret == "in-file"
    assert read(file, content, REGCTL_HTTP_SECRET="").http_secret == "in-file"
    assert read(file, content, REGCTL_HTTP_SECRET="x: [").http_secret == "x: ["
    assert load("/srv", None, {"REGCTL_HTTP_SECRET": "s"}).http_secret == "s"
    assert load("/srv", None, {"REGISTRY_HTTP_SECRET": "s"}).http_secret is None


@pytest.mark.parametrize("name", ["azure", "inmemory", "swift", "oss", "Filesystem", "nonsense"])
def test_other_drivers_are_refused_by_name(file: Path, name: str) -> None:
    error = refusal(file, f"version: 0.1\nstorage: {{{name}: {{}}}}")
    assert f"storage driver {name} is not supported" in error.message
    assert error.hint == "supported are filesystem, gcs, s3"


def storage(text: str) -> str:
    return f"version: 0.1\nstorage: {text}\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "no version"),
        ("storage: {filesystem: }", "no version"),
        ("version: 0.2\nstorage: filesystem", "the version '0.2'"),
        ("version: 0.10\nstorage: filesystem", "the version '0.10'"),
        ("version: [0.1]\nstorage: filesystem", "no version"),
        ("hunter2", "the configuration must be a map"),
        ("- hunter2", "the configuration must be a map"),
        ("1: hunter2\n? [a]\n: b", "not YAML (line 2, column 3)"),
        ("version: 0.1", "storage has no driver"),
        (storage("{cache: {}, delete: {}}"), "storage has no driver"),
        (storage("[filesystem]"), "storage must be a map"),
        (storage("{~: x}"), "storage must be a map of names"),
        (storage("{s3: , filesystem: , tag: }"), "several drivers: filesystem, s3"),
        (storage("{filesystem: hunter2}"), "storage.filesystem must be a map"),
        (storage("{filesystem: {rootdirectory: [hunter2]}}"), "rootdirectory must be a text"),
        (storage('{filesystem: {rootdirectory: ""}}'), "rootdirectory is not a path"),
        (storage('{filesystem: {rootdirectory: "/a\\ud800"}}'), "rootdirectory is not a path"),
        (storage("{s3: {region: r}}"), "storage.s3.bucket is missing"),
        (storage('{gcs: {bucket: ""}}'), "storage.gcs.bucket is missing"),
        (storage("{s3: {secretkey: {a: hunter2}}}"), "storage.s3.secretkey must be a text"),
        (storage("{s3: {bucket: b, secure: hunter2}}"), "storage.s3.secure must be true or false"),
        (storage("{s3aws: {chunksize: hunter2}}"), "storage.s3aws.chunksize must be a whole"),
        (storage("{filesystem: , cache: on}"), "storage.cache must be a map"),
        (storage("{filesystem: , cache: {layerinfo: []}}"), "storage.cache.layerinfo must be"),
        (storage("{filesystem: , maintenance: {uploadpurging: yes}}"), "uploadpurging must be"),
        (
            storage("{filesystem: , maintenance: {uploadpurging: {age: 7d}}}"),
            "storage.maintenance.uploadpurging.age: '7d' is not a duration",
        ),
        (
            storage("{filesystem: , maintenance: {uploadpurging: {age: -1h}}}"),
            "storage.maintenance.uploadpurging.age is negative",
        ),
        (MINIMAL + "http: hunter2", "http must be a map"),
        (MINIMAL + "http: {secret: [hunter2]}", "http.secret must be a text"),
        (MINIMAL + "http: {secret: hunter2", "not YAML (line 3, column"),
        (MINIMAL + "http: {secret: *hunter2}", "not YAML (line 3, column"),
        (MINIMAL + "http: {secret: !hunter2 x}", "not YAML (line 3, column"),
        (MINIMAL + "http:\n\tsecret: hunter2", "not YAML (line 4, column"),
        (b"hunter2\xff", "not YAML"),
        (b"hunter2\x00", "not YAML"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("#" * (1 << 20) + "\n" + MINIMAL, "larger than"),
        ("a: &a x\nb: [" + "*a, " * 101 + "]", "more than 100 aliases"),
    ],
)
def test_what_is_no_configuration_is_refused(
    file: Path, content: str | bytes, expected: str
) -> None:
    assert expected in refusal(file, content).message


def test_maps_cannot_be_multiplied(file: Path) -> None:
    """Each level merges the one before nine times: ten levels would be 3,486,784,401 members."""
    levels = ["v0: &v0 {x: y}"]
    levels += [f"v{n}: &v{n} {{<<: [{', '.join([f'*v{n - 1}'] * 9)}]}}" for n in range(1, 11)]
    assert "members" in refusal(file, "\n".join(levels)).message


def test_only_the_first_document_is_read(file: Path) -> None:
    assert read(file, MINIMAL + "---\nversion: 9").storage.driver == "filesystem"


def test_what_is_known_of_the_registry(file: Path) -> None:
    assert read(file, MINIMAL).is_registrys
    assert not load("/srv", None, {}).is_registrys


@pytest.mark.parametrize(
    "members",
    [
        "auth: {htpasswd: {realm: harbor-registry-basic-realm, path: /etc/x}}",
        "auth: {token: {issuer: harbor-token-issuer, realm: 'https://x/service/token'}}",
        "notifications: {endpoints: [{name: other}, {name: harbor, url: 'http://core:8080'}]}",
    ],
)
def test_harbor_is_known_by_its_names(file: Path, members: str) -> None:
    assert read(file, MINIMAL + members).is_harbor


@pytest.mark.parametrize(
    "members",
    [
        "",
        "auth: {htpasswd: {realm: basic}}",
        "auth: harbor",
        "notifications: {endpoints: {name: harbor}}",
        "notifications: {endpoints: [harbor, {name: [harbor]}]}",
    ],
)
def test_other_registries_are_no_harbor(file: Path, members: str) -> None:
    assert not read(file, MINIMAL + members).is_harbor
