"""What a command needs to know of its surroundings, and the members that drivers are given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from regctl.config.members import typed
from regctl.errors import ConfigurationError

#: Seconds after which an upload is stale where nothing else is configured: 168h, as in registries.
DEFAULT_UPLOAD_AGE = 168 * 3600.0
#: Where a registry keeps its files when its configuration does not say.
DEFAULT_ROOT = "/var/lib/registry"


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """One storage: its driver (``filesystem``, ``s3``, ``gcs``), the driver's members by the names
    of the registry's configuration, and ``source``, where that was said.

    Members that are switches are `bool`, those that count are `int`, all other known ones `str`.
    ``filesystem`` always has an absolute ``rootdirectory``; ``s3`` and ``gcs`` have a ``bucket``.
    """

    driver: str
    #: May hold credentials: not shown.
    parameters: Mapping[str, object] = field(repr=False)
    source: str

    def describe(self) -> str:
        """The storage and where it was configured, for plans and messages; never a secret."""
        return f"{self._location()} (from {self.source})"

    def _location(self) -> str:
        root = str(self.parameters.get("rootdirectory", ""))
        if self.driver == "filesystem":
            return root
        scheme = "gs" if self.driver == "gcs" else "s3"
        prefix = root.strip("/")
        text = f"{scheme}://{self.parameters['bucket']}" + (f"/{prefix}" if prefix else "")
        endpoint = self.parameters.get("regionendpoint")
        return f"{text} at {_host(str(endpoint))}" if endpoint else text


@dataclass(frozen=True, slots=True)
class Settings:
    """The storage, and what the registry on it was told that matters to others.

    ``http_secret`` signs upload tokens; ``upload_age`` is the seconds after which an upload is
    stale; ``cache`` names the registry's cache of blob descriptors (``inmemory``, ``redis``).
    ``is_registrys`` says whether all this is from a registry's own configuration; otherwise nothing
    is known of the registry. ``is_harbor``: that registry is part of a Harbor.
    """

    storage: StorageSettings
    http_secret: str | None = field(default=None, repr=False)
    upload_age: float = DEFAULT_UPLOAD_AGE
    cache: str | None = None
    is_registrys: bool = False
    is_harbor: bool = False


def make_storage(
    driver: str, members: Mapping[str, object], source: str, prefix: str = ""
) -> StorageSettings:
    """The storage with these raw ``members`` (text, or whatever YAML gave), checked and typed.

    ``prefix`` goes before a member's name in messages. Members that are null count as not given;
    unknown ones stay as they are, for registries too ignore them. Raises `ConfigurationError`.
    """
    parameters: dict[str, object] = {}
    for name, value in members.items():
        if value is not None:
            parameters[name] = typed(driver, name, value, f"{source}: {prefix}{name}")
    if driver == "filesystem":
        root = parameters.get("rootdirectory", DEFAULT_ROOT)
        parameters["rootdirectory"] = absolute(str(root), f"{source}: {prefix}rootdirectory")
    elif not parameters.get("bucket"):
        raise ConfigurationError(f"{source}: {prefix}bucket is missing")
    return StorageSettings(driver, parameters, source)


def absolute(path: str, where: str) -> str:
    """``path`` as an absolute path. Raises `ConfigurationError`, naming ``where``."""
    if not path or "\0" in path:
        raise ConfigurationError(f"{where} is not a path")
    try:
        os.fsencode(path)
        # Through a symlink ".." leads elsewhere than its text says.
        return os.path.realpath(path) if ".." in path.split("/") else os.path.abspath(path)
    except UnicodeError as error:
        raise ConfigurationError(f"{where} is not a path") from error
    except OSError as error:
        raise ConfigurationError(f"{where} cannot be resolved: {error.strerror}") from error


def _host(endpoint: str) -> str:
    """Host and port of a URL, without the password that some put before them."""
    return endpoint.rpartition("://")[2].partition("/")[0].rpartition("@")[2]
