"""Objects removed from S3: one, or many by bulk requests whose answers are read to the last entry.

Source: DeleteObject and DeleteObjects in the Amazon S3 API reference.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from itertools import islice
from typing import Any

from regctl.drivers.s3.client import Store
from regctl.drivers.s3.errors import NotImplementedByServerError, from_code, not_s3
from regctl.errors import PathNotFoundError, RegctlError, UnavailableError

#: The most keys of one request.
GROUP = 1000
#: How many bulk requests are in flight.
_GROUPS_IN_FLIGHT = 4

Results = list[tuple[str, RegctlError | None]]


def install(store: Store) -> None:
    """Have bulk deletes carry Content-MD5, which some servers want and none minds."""
    store.client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)


def delete(store: Store, path: str) -> None:
    """Remove the object at ``path``. Raises `PathNotFoundError`: S3 itself tells no difference."""
    key = store.keys.key(path)
    store.call("head_object", path, Key=key)
    store.call("delete_object", path, Key=key)


def delete_many(store: Store, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
    """Remove the objects at ``paths``, in groups, some of them in flight; each path comes back
    with its error. Absent ones are no error.

    What was taken from ``paths`` is asked for also if nobody takes its result.
    """
    source = iter(paths)
    in_flight: deque[Future[Results]] = deque()
    pool = store.pool()
    try:
        while group := list(islice(source, GROUP)):
            in_flight.append(pool.submit(_delete_group, store, group))
            if len(in_flight) == _GROUPS_IN_FLIGHT:
                yield from in_flight.popleft().result()
        while in_flight:
            yield from in_flight.popleft().result()
    finally:
        for future in in_flight:
            future.cancel()


def _delete_group(store: Store, paths: list[str]) -> Results:
    """The results of one bulk request; what it failed for as a whole, each of its paths gets."""
    keys: dict[str, str] = {}
    for path in paths:
        with suppress(PathNotFoundError):  # no key can be so
            keys[path] = store.keys.key(path)
    outcome: dict[str, RegctlError | None] = {}
    if keys:
        try:
            answer = store.call(
                "delete_objects",
                "/",
                Delete={"Objects": [{"Key": key} for key in keys.values()], "Quiet": False},
            )
        except NotImplementedByServerError:
            outcome = {path: _delete_one(store, path) for path in keys}
        except RegctlError as error:
            outcome = dict.fromkeys(keys, error)
        else:
            outcome = _read_answer(answer, keys)
    return [(path, outcome.get(path)) for path in paths]


def _read_answer(
    answer: Mapping[str, Any], keys: Mapping[str, str]
) -> dict[str, RegctlError | None]:
    """What became of each path of ``keys``. One that is not accounted for has an error."""
    confirmed = {entry.get("Key") for entry in answer.get("Deleted", ())}
    failed = {
        entry.get("Key"): (str(entry.get("Code", "")), str(entry.get("Message", "")))
        for entry in answer.get("Errors", ())
    }
    if not confirmed and not failed:
        return dict.fromkeys(keys, not_s3("its answer to a bulk delete tells of no object"))
    # Of keys that come back otherwise than they were sent, as some characters do in XML, the
    # number has to do; an error about one of them may be about any that is not confirmed.
    stray = [failed[key] for key in failed.keys() - set(keys.values())]
    is_complete = len(confirmed) + len(failed) >= len(keys)
    outcome: dict[str, RegctlError | None] = {}
    for path, key in keys.items():
        told = failed.get(key)
        if told is None and key not in confirmed and stray:
            told = stray[0]
        error: RegctlError | None = None
        if told is not None:
            error = from_code(*told, path)
        elif key not in confirmed and not is_complete:
            error = UnavailableError(f"{path}: the server does not say that it is deleted")
        outcome[path] = None if isinstance(error, PathNotFoundError) else error
    return outcome


def _delete_one(store: Store, path: str) -> RegctlError | None:
    try:
        store.call("delete_object", path, Key=store.keys.key(path))
    except PathNotFoundError:
        return None
    except RegctlError as error:
        return error
    return None


def _add_md5(params: dict[str, Any], **_: object) -> None:
    body = params.get("body")
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, bytes):
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
