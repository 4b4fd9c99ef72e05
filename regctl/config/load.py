"""The settings of one run: the first place that says where the storage is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from regctl.config.location import parse_location
from regctl.config.settings import Settings
from regctl.errors import ConfigurationError, UsageError

#: Where registries 3.x and 2.x look for their configuration.
DEFAULT_FILES = ("/etc/distribution/config.yml", "/etc/docker/registry/config.yml")


def load(
    storage: str | None,
    config: str | None,
    environ: Mapping[str, str],
    default_files: tuple[str, ...] = DEFAULT_FILES,
) -> Settings:
    """The settings that the options ``storage`` and ``config``, or else ``environ``, ask for.

    The first that is given counts: ``--storage``, ``--config``, ``REGCTL_STORAGE``,
    ``REGCTL_CONFIG``, then the first of ``default_files`` that exists. Empty variables count as
    not set. ``REGCTL_HTTP_SECRET`` goes before a configuration's ``http.secret``.

    Raises `UsageError` if both options are given, `ConfigurationError` for all else: nothing
    configured, or a place that cannot be read or understood (the next one is not tried then).
    """
    if storage is not None and config is not None:
        raise UsageError("--storage and --config cannot be given together")
    settings = _first(storage, config, environ, default_files)
    secret = environ.get("REGCTL_HTTP_SECRET")
    return replace(settings, http_secret=secret) if secret else settings


def _first(
    storage: str | None,
    config: str | None,
    environ: Mapping[str, str],
    default_files: tuple[str, ...],
) -> Settings:
    if storage is not None:
        return Settings(parse_location(storage, "--storage"))
    if config is not None:
        return _required(config, environ, config or "--config")
    if location := environ.get("REGCTL_STORAGE"):
        return Settings(parse_location(location, "REGCTL_STORAGE"))
    if path := environ.get("REGCTL_CONFIG"):
        return _required(path, environ, f"REGCTL_CONFIG={path}")
    for path in default_files:
        settings = _read(path, environ, path)
        if settings is not None:
            return settings
    raise ConfigurationError(
        "no storage is configured",
        hint="give --storage, --config, REGCTL_STORAGE or REGCTL_CONFIG, or have a registry's "
        f"configuration at {' or '.join(default_files)}",
    )


def _required(path: str, environ: Mapping[str, str], source: str) -> Settings:
    settings = _read(path, environ, source)
    if settings is None:
        raise ConfigurationError(f"{source} cannot be read: there is no such file")
    return settings


def _read(path: str, environ: Mapping[str, str], source: str) -> Settings | None:
    # Here, because importing the YAML library takes longer than all else that a URL needs.
    from regctl.config.registryfile import read_settings  # noqa: PLC0415

    return read_settings(path, environ, source)
