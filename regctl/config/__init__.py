"""Where the storage is: the command line, the environment, or a registry's own configuration."""

from regctl.config.durations import parse_duration
from regctl.config.load import DEFAULT_FILES, load
from regctl.config.settings import DEFAULT_UPLOAD_AGE, Settings, StorageSettings

__all__ = [
    "DEFAULT_FILES",
    "DEFAULT_UPLOAD_AGE",
    "Settings",
    "StorageSettings",
    "load",
    "parse_duration",
]
