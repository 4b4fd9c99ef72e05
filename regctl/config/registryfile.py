"""A registry's own configuration file: its YAML, and the few members that matter here.

A registry ignores what it does not know, so do we. Scalars are kept as the text that stands in the
file: what a member's text means is decided where the member is known. Source: Distribution,
``configuration/configuration.go``.
"""

from __future__ import annotations

from collections.abc import Mapping

from regctl.config.durations import parse_duration
from regctl.config.members import DRIVERS
from regctl.config.overrides import apply_overrides
from regctl.config.settings import DEFAULT_UPLOAD_AGE, Settings, make_storage
from regctl.config.yamltext import InvalidYAMLError, load_yaml
from regctl.errors import ConfigurationError

#: Bytes; real files have one or two thousand.
SIZE_LIMIT = 1 << 20

_VERSION = "0.1"
#: Members of ``storage`` that are no driver.
_OPTIONS = frozenset({"cache", "delete", "maintenance", "redirect", "tag"})


def read_settings(path: str, environ: Mapping[str, str], source: str) -> Settings | None:
    """The settings in the configuration at ``path``, with the ``REGISTRY_*`` overrides applied.

    None if there is no such file. Raises `ConfigurationError`, naming ``source`` and the member,
    never a value.
    """
    content = _read(path, source)
    if content is None:
        return None
    try:
        document = load_yaml(content)
    except InvalidYAMLError as error:
        # Without the cause: its text quotes the file, which may hold secrets.
        raise ConfigurationError(f"{source}: {error}") from None
    root = _mapping(document, source, "the configuration")
    version = root.get("version")
    if version != _VERSION:
        shown = f"the version {version[:20]!r}" if isinstance(version, str) else "no version"
        raise ConfigurationError(
            f"{source}: {shown}, but {_VERSION} is what registries write",
            hint="is this the configuration of a registry?",
        )
    members, applied = apply_overrides(root, environ, source)
    return _settings(members, applied, source)


def _read(path: str, source: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigurationError(f"{source} cannot be read: {reason}") from error
    if len(content) > SIZE_LIMIT:
        raise ConfigurationError(f"{source} is larger than {SIZE_LIMIT} bytes: no configuration")
    return content


def _settings(members: Mapping[str, object], applied: tuple[str, ...], source: str) -> Settings:
    storage = _storage(members.get("storage"), source)
    name = _driver(storage, source)
    http = _mapping(members.get("http"), source, "http")
    # A plan that names the file must also name what moved the storage elsewhere.
    variable = f"REGISTRY_STORAGE_{name.upper()}"
    moved = [
        each
        for each in applied
        if each in {"REGISTRY_STORAGE", variable} or each.startswith(f"{variable}_")
    ]
    parameters = _mapping(storage[name], source, f"storage.{name}")
    return Settings(
        storage=make_storage(
            DRIVERS[name], parameters, ", ".join((source, *moved)), f"storage.{name}."
        ),
        http_secret=_text(http, "secret", source, "http.secret"),
        upload_age=_upload_age(storage, source),
        cache=_cache(storage, source),
        is_registrys=True,
        is_harbor=_is_harbor(members),
    )


def _storage(value: object, source: str) -> dict[str, object]:
    # A registry takes "storage: filesystem" for "storage: {filesystem: {}}".
    return {value: None} if isinstance(value, str) else _mapping(value, source, "storage")


def _driver(storage: Mapping[str, object], source: str) -> str:
    names = sorted(name for name in storage if name not in _OPTIONS)
    supported = f"supported are {', '.join(sorted(set(DRIVERS.values())))}"
    if not names:
        raise ConfigurationError(f"{source}: storage has no driver", hint=supported)
    if len(names) > 1:
        raise ConfigurationError(
            f"{source}: storage has several drivers: {', '.join(names)}", hint="leave one of them"
        )
    if names[0] not in DRIVERS:
        raise ConfigurationError(
            f"{source}: the storage driver {names[0]} is not supported", hint=supported
        )
    return names[0]


def _upload_age(storage: Mapping[str, object], source: str) -> float:
    maintenance = _mapping(storage.get("maintenance"), source, "storage.maintenance")
    where = "storage.maintenance.uploadpurging"
    purging = _mapping(maintenance.get("uploadpurging"), source, where)
    text = _text(purging, "age", source, f"{where}.age")
    if text is None:
        return DEFAULT_UPLOAD_AGE
    try:
        age = parse_duration(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {where}.age: {error}", hint=error.hint) from error
    if age < 0:
        raise ConfigurationError(f"{source}: {where}.age is negative")
    return age


def _cache(storage: Mapping[str, object], source: str) -> str | None:
    cache = _mapping(storage.get("cache"), source, "storage.cache")
    # Files of registries before 2.1 say layerinfo.
    name = "blobdescriptor" if "blobdescriptor" in cache else "layerinfo"
    return _text(cache, name, source, f"storage.cache.{name}")


def _is_harbor(members: Mapping[str, object]) -> bool:
    """Whether Harbor made the configuration: by its names for itself.

    Source: Harbor, ``make/photon/prepare/templates/registry/config.yml.jinja``.
    """
    endpoints = _below(members, "notifications", "endpoints")
    named = [_below(each, "name") for each in endpoints] if isinstance(endpoints, list) else []
    named += [
        _below(members, "auth", "htpasswd", "realm"),
        _below(members, "auth", "token", "issuer"),
    ]
    return any(isinstance(each, str) and each.lower().startswith("harbor") for each in named)


def _below(value: object, *names: str) -> object:
    """The member at ``names``, None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _mapping(value: object, source: str, member: str) -> dict[str, object]:
    """``value`` as a map; nothing at all is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(f"{source}: {member} must be a map of names")
    return value


def _text(members: Mapping[str, object], name: str, source: str, member: str) -> str | None:
    """The member as text; None if it is not given, null or empty."""
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{source}: {member} must be a text")
    return value or None
