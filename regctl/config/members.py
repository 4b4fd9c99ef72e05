"""The members of the drivers in a registry's configuration, and what each of them holds.

Source: Distribution, ``registry/storage/driver/{filesystem,s3-aws,gcs}``, its ``FromParameters``.
"""

from __future__ import annotations

import re

from regctl.errors import ConfigurationError

#: Driver by the name in a configuration. ``s3aws`` is an old name of ``s3``.
DRIVERS = {"filesystem": "filesystem", "s3": "s3", "s3aws": "s3", "gcs": "gcs"}
#: Members that hold a secret.
SECRETS = frozenset({"accesskey", "secretkey", "sessiontoken", "credentials"})

#: The type of every known member by driver. ``credentials`` of gcs, a map, stays as it is.
MEMBERS: dict[str, dict[str, type]] = {
    "filesystem": {"rootdirectory": str},
    "s3": {
        "accelerate": bool,
        "accesskey": str,
        "bucket": str,
        "chunksize": int,
        "encrypt": bool,
        "forcepathstyle": bool,
        "keyid": str,
        "multipartcopychunksize": int,
        "multipartcopymaxconcurrency": int,
        "multipartcopythresholdsize": int,
        "objectacl": str,
        "region": str,
        "regionendpoint": str,
        "rootdirectory": str,
        "secretkey": str,
        "secure": bool,
        "sessiontoken": str,
        "skipverify": bool,
        "storageclass": str,
        "usedualstack": bool,
        "usefipsendpoint": bool,
        "v4auth": bool,
    },
    "gcs": {
        "bucket": str,
        "chunksize": int,
        "keyfile": str,
        "maxconcurrency": int,
        "rootdirectory": str,
    },
}

_TRUE = frozenset({"true", "yes", "on", "1", "t", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "f", "n"})
_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9_]*|0[xX][0-9a-fA-F_]+)", re.ASCII)
_LONGEST_NUMBER = 20


def typed(driver: str, name: str, value: object, where: str) -> object:
    """The raw ``value`` (text, or what YAML gave) of a member as the member's type.

    Unknown members stay as they are, for registries ignore them. Raises `ConfigurationError`,
    naming ``where`` and never the value.
    """
    kind = MEMBERS[driver].get(name)
    if kind is None:
        return value
    if not isinstance(value, str):
        raise ConfigurationError(f"{where} must be a text")
    if kind is bool:
        return _flag(value, where)
    return _number(value, where) if kind is int else value


def _flag(text: str, where: str) -> bool:
    word = text.lower()
    if word not in _TRUE and word not in _FALSE:
        raise ConfigurationError(f"{where} must be true or false")
    return word in _TRUE


def _number(text: str, where: str) -> int:
    if len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text):
        try:
            return int(text, 0)
        except ValueError:
            pass  # an underscore at the wrong place
    raise ConfigurationError(f"{where} must be a whole number")
