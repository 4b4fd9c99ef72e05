"""Storage drivers: files by path, wherever the registry keeps them.

The contract is in `regctl.drivers.base`. Importing this package imports no driver and no SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from regctl.errors import ConfigurationError

if TYPE_CHECKING:
    from regctl.drivers.base import StorageDriver

#: Where Distribution's filesystem driver keeps its tree if the configuration does not say.
DEFAULT_ROOT_DIRECTORY = "/var/lib/registry"
#: How many requests may be in flight if nobody says.
DEFAULT_JOBS = 8


def open_driver(
    name: str, parameters: Mapping[str, object], *, jobs: int = DEFAULT_JOBS
) -> StorageDriver:
    """The driver ``name`` with the parameters of its section in a registry's configuration, and at
    most ``jobs`` requests in flight, where there are requests.

    The filesystem driver knows ``rootdirectory``; what else a registry may have configured for it
    (``maxthreads``) is of no use here. Raises `ConfigurationError` for a driver or a parameter
    that cannot be used.
    """
    if name == "filesystem":
        from regctl.drivers.checked import CheckedDriver  # noqa: PLC0415 - only when it is used
        from regctl.drivers.filesystem import FilesystemDriver  # noqa: PLC0415

        return CheckedDriver(FilesystemDriver(_root_directory(parameters)))
    if name == "s3":
        from regctl.drivers.checked import CheckedDriver  # noqa: PLC0415
        from regctl.drivers.s3.driver import open_s3  # noqa: PLC0415

        return CheckedDriver(open_s3(parameters, jobs))
    if name == "gcs":
        from regctl.drivers.checked import CheckedDriver  # noqa: PLC0415
        from regctl.drivers.gcs.driver import open_gcs  # noqa: PLC0415

        return CheckedDriver(open_gcs(parameters, jobs=jobs))
    raise ConfigurationError(
        f"the storage driver {name!r} is not supported", hint="supported are: filesystem, gcs, s3"
    )


def _root_directory(parameters: Mapping[str, object]) -> str:
    root = parameters.get("rootdirectory", DEFAULT_ROOT_DIRECTORY)
    if not isinstance(root, str) or not root:
        raise ConfigurationError(
            f"the filesystem driver's rootdirectory is {root!r}, not the path of a directory"
        )
    return root
