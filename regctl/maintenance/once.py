"""What is worked out once, however often and by however many threads it is asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class _Entry(Generic[_Value]):
    """A value, or the error that there was instead; ``lock`` is held until it is made."""

    __slots__ = ("error", "lock", "value", "weight")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: list[_Value] = []
        self.error: BaseException | None = None
        self.weight = 0


class Once(Generic[_Key, _Value]):
    """Values by key, each made by the first who asks; others wait for it.

    What was asked for last is kept, up to ``limit`` in the sum of what ``weigh`` says of values
    (1 each, unless given). An error is kept as a value would be, and raised to all.
    """

    def __init__(self, limit: int, weigh: Callable[[_Value], int] = lambda _: 1) -> None:
        self._limit = limit
        self._weigh = weigh
        self._total = 0
        self._found: OrderedDict[_Key, _Entry[_Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        """The value of ``key``: as it was made before, or made by ``make`` now."""
        with self._lock:
            entry = self._found.get(key)
            if entry is not None:
                self._found.move_to_end(key)
            else:
                entry = self._found[key] = _Entry()
        if entry.value:  # it never goes again
            return entry.value[0]
        with entry.lock:
            if not entry.value and entry.error is None:
                self._make(key, entry, make)
        if entry.error is not None:
            raise entry.error
        return entry.value[0]

    def _make(self, key: _Key, entry: _Entry[_Value], make: Callable[[], _Value]) -> None:
        try:
            value = make()
        except Exception as error:  # noqa: BLE001 - raised to whoever asks
            entry.error = error
            entry.weight = 1
        else:
            entry.weight = self._weigh(value)
            entry.value.append(value)
        with self._lock:
            if self._found.get(key) is entry:
                self._total += entry.weight
            while self._total > self._limit and len(self._found) > 1:
                _, oldest = self._found.popitem(last=False)
                self._total -= oldest.weight
