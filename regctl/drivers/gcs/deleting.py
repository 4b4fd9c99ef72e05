"""Removing many objects: a hundred by one request where the server can do that, else one by one.

Source: https://cloud.google.com/storage/docs/batch
"""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from email.parser import BytesParser
from itertools import islice

from regctl.drivers.gcs import objects
from regctl.drivers.gcs.client import Answer, Store
from regctl.drivers.gcs.errors import answered
from regctl.errors import PathNotFoundError, RegctlError, UnavailableError

#: The most requests that may be in one.
BATCH = 100
_STATUS = re.compile(
    rb"HTTP/\d(?:\.\d)? (\d{3})[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n?(.*)", re.DOTALL
)
_NUMBER = re.compile(r"\+(\d+)>?\s*$")
#: Statuses of a server that does not take batches.
_UNKNOWN = (400, 404, 405, 501)

Result = tuple[str, RegctlError | None]


class Deleting:
    """Removes objects of ``store`` in groups, several in flight."""

    def __init__(self, store: Store) -> None:
        self._store = store
        #: Whether the server takes batches: until it has answered one in another way.
        self.takes_batches = True

    def remove(self, paths: Iterable[str]) -> Iterator[Result]:
        """Each of ``paths`` with its error, as its group is done: see `StorageDriver.delete_many`.

        Absent objects are no error.
        """
        remaining = iter(paths)
        flying: deque[Future[list[Result]]] = deque()
        try:
            while True:
                size = BATCH if self.takes_batches else 1
                most = self._store.jobs if self.takes_batches else 4 * self._store.jobs
                while len(flying) < most and (group := list(islice(remaining, size))):
                    flying.append(self._store.pool().submit(self._remove, group))
                if not flying:
                    return
                yield from flying.popleft().result()
        finally:
            for each in flying:
                each.cancel()

    def _remove(self, group: Sequence[str]) -> list[Result]:
        if len(group) == 1 or not self.takes_batches:
            return [self._remove_one(path) for path in group]
        known: list[str] = []
        results: list[Result] = []
        for path in group:
            try:
                self._store.keys.key(path)
            except PathNotFoundError:
                results.append((path, None))
            else:
                known.append(path)
        try:
            errors = self._remove_batch(known)
        except RegctlError as error:
            return results + [(path, error) for path in known]
        if errors is None:
            self.takes_batches = False
            return results + [self._remove_one(path) for path in known]
        for path, failure in zip(known, errors, strict=True):
            # What may work when tried again is tried by itself.
            again = isinstance(failure, UnavailableError)
            results.append(self._remove_one(path) if again else (path, failure))
        return results

    def _remove_one(self, path: str) -> Result:
        try:
            objects.remove(self._store, path)
        except PathNotFoundError:
            return path, None
        except RegctlError as error:
            return path, error
        return path, None

    def _remove_batch(self, paths: Sequence[str]) -> list[RegctlError | None] | None:
        """The error of each of ``paths``, or None if the server takes no batches."""
        if not paths:
            return []
        boundary = secrets.token_hex(16)
        answer = self._store.send(
            "batch",
            paths[0],
            "POST",
            self._store.batch_url(),
            headers={"Content-Type": f"multipart/mixed; boundary={boundary}"},
            body=_batch(self._store, paths, boundary),
            accept=(200, *_UNKNOWN),
        )
        found = _parts(answer, len(paths)) if answer.status == 200 else None
        if found is None:
            return None
        statuses = {status for status, _ in found}
        if 404 in statuses and not statuses & {200, 204}:
            self._store.require_bucket()
        return [
            None if status in {200, 204, 404} else answered(status, content, path)
            for path, (status, content) in zip(paths, found, strict=True)
        ]


def _batch(store: Store, paths: Sequence[str], boundary: str) -> bytes:
    """The body of a request that holds a DELETE for each of ``paths``."""
    parts = []
    for number, path in enumerate(paths):
        parts.append(
            f"--{boundary}\r\nContent-Type: application/http\r\n"
            f"Content-Transfer-Encoding: binary\r\nContent-ID: <{boundary}+{number}>\r\n\r\n"
            f"DELETE {store.object_url(path)} HTTP/1.1\r\n\r\n\r\n"
        )
    return "".join((*parts, f"--{boundary}--\r\n")).encode()


def _parts(answer: Answer, count: int) -> list[tuple[int, bytes]] | None:
    """Status and body for each request of a batch, in their order; None if there are not as many.

    The parts name the request that they answer, at Google; where they do not, they are in order.
    """
    kind = answer.headers.get("Content-Type", "")
    head = f"Content-Type: {kind}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + answer.content)
    found: dict[int, tuple[int, bytes]] = {}
    for place, part in enumerate(message.walk()):
        # The first is the message itself.
        content = part.get_payload(decode=True)
        match = _STATUS.search(content) if isinstance(content, bytes) else None
        if match is None:
            continue
        named = _NUMBER.search(str(part.get("Content-ID", "")))
        found[int(named[1]) if named else place - 1] = (int(match[1]), match[2])
    if sorted(found) != list(range(count)):
        return None
    return [found[number] for number in range(count)]
