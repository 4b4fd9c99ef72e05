"""``REGISTRY_*`` environment variables, applied to a configuration as the registry applies them.

``REGISTRY_A_B_C`` sets the member a.b.c, its value is YAML, and shorter names go first. What a
registry does in the odd cases is kept, for it decides which storage is meant. Source: Distribution,
``configuration/parser.go``.
"""

from __future__ import annotations

from collections.abc import Mapping

from regctl.config.yamltext import InvalidYAMLError, load_yaml
from regctl.errors import ConfigurationError

_PREFIX = "REGISTRY_"


class _Made(dict[str, object]):
    """A map that variables made, or one of the maps whose keys a registry knows to be text.

    Variables reach into these only: the maps that YAML made below a driver's members have keys of
    any type to a registry, and it ignores variables that would go into them.
    """


def apply_overrides(
    members: Mapping[str, object], environ: Mapping[str, str], source: str
) -> tuple[dict[str, object], tuple[str, ...]]:
    """``members`` of a configuration after the overrides in ``environ``, and the variables that
    took part. Only ``storage`` and ``http`` are looked at; ``members`` stays as it is.

    Raises `ConfigurationError`, naming the variable and never its value.
    """
    result = dict(members)
    applied: list[str] = []
    for variable in sorted(environ):
        first, *rest = variable.removeprefix(_PREFIX).split("_")
        if not variable.startswith(_PREFIX) or first not in {"STORAGE", "HTTP"}:
            continue
        where = f"{source}: the variable {variable}"
        try:
            value = load_yaml(environ[variable])
        except InvalidYAMLError as error:
            raise ConfigurationError(f"{where}: {error}") from None
        if first == "HTTP":
            took_part = _override_http(result, rest, value)
        else:
            took_part = _override_storage(result, rest, value, where)
        if took_part:
            applied.append(variable)
    return result, tuple(applied)


def _override_http(members: dict[str, object], path: list[str], value: object) -> bool:
    """``http`` has a fixed set of members; of these only the secret matters here."""
    http = members.get("http")
    if not path:
        members["http"] = value
    elif path == ["SECRET"] and (http is None or isinstance(http, dict)):
        members["http"] = {**(http or {}), "secret": value}
    else:
        return False
    return True


def _override_storage(
    members: dict[str, object], path: list[str], value: object, where: str
) -> bool:
    if not path:
        members["storage"] = value
        return True
    before = members.get("storage")
    # "storage: filesystem" is short for a driver without members.
    storage = _Made({before: None} if isinstance(before, str) else _as_map(before, where))
    members["storage"] = storage
    if len(path) == 1:
        storage[path[0].lower()] = _Made(_as_map(value, where))
        return True
    # The driver's own members are a map of text to a registry, wherever they came from.
    key = _matching(storage, path[0])
    if key is not None:
        storage[key] = _Made(_as_map(storage[key], where))
    return _override_map(storage, path, value)


def _override_map(target: _Made, path: list[str], value: object) -> bool:
    """Set the member at ``path`` (upper-case names) below ``target``, making maps on the way."""
    name, rest = path[0], path[1:]
    if not rest:
        target[name.lower()] = value
        return True
    key = _matching(target, name)
    if key is not None:
        inner = target[key]
        return _override_map(inner, rest, value) if isinstance(inner, _Made) else False
    made = _Made()
    target[name.lower()] = made
    return _override_map(made, rest, value)


def _matching(members: Mapping[str, object], name: str) -> str | None:
    """The key that ``name`` means, unless it holds nothing and so is made anew."""
    for key, value in members.items():
        if isinstance(key, str) and key.upper() == name and value is not None:
            return key
    return None


def _as_map(value: object, where: str) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where} cannot be applied: it needs a map")
    return value
