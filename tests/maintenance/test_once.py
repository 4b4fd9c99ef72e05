from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from regctl.maintenance.once import Once


def test_each_value_is_made_once() -> None:
    once: Once[str, int] = Once(10)
    made: list[str] = []

    def get(key: str) -> int:
        def make() -> int:
            made.append(key)
            return len(made)

        return once.get(key, make)

    assert [get(key) for key in "abab"] == [1, 2, 1, 2]
    assert made == ["a", "b"]


def test_who_asks_meanwhile_waits_for_the_first() -> None:
    once: Once[str, int] = Once(10)
    begun, go_on = threading.Event(), threading.Event()
    made: list[int] = []

    def make() -> int:
        begun.set()
        assert go_on.wait(30)
        made.append(1)
        return 7

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(once.get, "a", make)
        assert begun.wait(30)
        others = [pool.submit(once.get, "a", make) for _ in range(2)]
        go_on.set()
        assert [each.result(30) for each in (first, *others)] == [7, 7, 7]
    assert made == [1]


def test_an_error_is_kept_too() -> None:
    once: Once[str, int] = Once(10)

    def fail() -> int:
        raise KeyError("first")

    for make in (fail, lambda: 1):
        with pytest.raises(KeyError, match="first"):
            once.get("a", make)


def test_what_was_asked_for_last_is_kept() -> None:
    """Memory is bounded by what values weigh, not by their count."""
    once: Once[str, int] = Once(10, weigh=lambda value: value)
    made: list[str] = []

    def get(key: str, weight: int) -> None:
        def make() -> int:
            made.append(key)
            return weight

        assert once.get(key, make) == weight

    get("a", 4)
    get("b", 4)
    get("a", 4)
    get("c", 4)  # too much: b goes, since a was asked for after it
    get("a", 4)
    get("b", 4)
    assert made == ["a", "b", "c", "b"]
