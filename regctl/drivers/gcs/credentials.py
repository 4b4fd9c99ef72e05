"""Google's client for one storage: who asks, at which endpoint, over how many connections."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import requests
from google.auth import exceptions as auth
from google.cloud import storage
from google.oauth2 import service_account
from requests.adapters import HTTPAdapter

from regctl.drivers.gcs.errors import WAYS_TO_GIVE_CREDENTIALS, clean, translate
from regctl.drivers.gcs.parameters import Parameters
from regctl.errors import ConfigurationError

#: google-cloud-storage has no type hints.
StorageClient = Any
#: What google.auth says when it has looked everywhere and there is nothing; anything else that it
#: says is about credentials that somebody gave.
_NONE_AT_ALL = "default credentials were not found"


def make_client(parameters: Parameters) -> StorageClient:
    """A `google.cloud.storage.Client`: with the key of the configuration, else with Google's
    application default credentials, else anonymous.

    The SDK itself heeds ``STORAGE_EMULATOR_HOST``, and is anonymous there if the configuration has
    no key. Sends nothing. Raises `ConfigurationError` for a key that is none.
    """
    account = _account(parameters)
    try:
        client = storage.Client(project=None, credentials=account)
    except auth.DefaultCredentialsError as error:
        if _NONE_AT_ALL not in str(error):
            raise translate(error, "") from error
        client = storage.Client.create_anonymous_client()
    except (auth.GoogleAuthError, ValueError) as error:
        raise ConfigurationError(
            f"Google's credentials cannot be used: {clean(str(error))}",
            hint=WAYS_TO_GIVE_CREDENTIALS,
        ) from error
    _endpoint(client)
    return client


def widen(session: requests.Session, connections: int) -> None:
    """Let ``session`` keep ``connections`` open to a server, and send nothing twice by itself."""
    for scheme in ("https://", "http://"):
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections, max_retries=0)
        session.mount(scheme, adapter)


def _account(parameters: Parameters) -> Any:
    """The service account of the configuration; None if it has none."""
    if parameters.keyfile is None and parameters.credentials is None:
        return None
    where = "credentials of storage.gcs"
    info: object = parameters.credentials
    if parameters.keyfile is not None:
        where = f"the key file {parameters.keyfile}"
        info = _read(parameters.keyfile)
    kind = info.get("type") if isinstance(info, dict) else None
    if not isinstance(info, dict) or kind != "service_account":
        raise ConfigurationError(f"{where}: no key of a service account")
    try:
        make: Any = service_account.Credentials.from_service_account_info
        return make(dict(info), scopes=storage.Client.SCOPE)
    except (auth.GoogleAuthError, ValueError, TypeError, AttributeError) as error:
        # The reason may quote the key: it is not repeated.
        raise ConfigurationError(f"{where}: the service account's key cannot be read") from error


def _read(path: str) -> object:
    try:
        with open(path, "rb") as file:
            content: object = json.load(file)
    except OSError as error:
        raise ConfigurationError(f"the key file {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"the key file {path} is no JSON") from error
    return content


def _endpoint(client: StorageClient) -> None:
    """Refuse an endpoint that is no URL, which the SDK takes as it is."""
    url = urlsplit(str(client.api_endpoint))
    if url.scheme not in {"http", "https"} or not url.netloc:
        raise ConfigurationError(
            "the endpoint of Cloud Storage is no URL with http:// or https://",
            hint="check STORAGE_EMULATOR_HOST",
        )
