"""Hashing one piece behind: in order, complete, and never stuck."""

from __future__ import annotations

import hashlib
import random
import threading

import pytest

from regctl.registry.behind import Behind

LARGE = 1 << 18


def _threads() -> int:
    return sum(thread.name == "behind" for thread in threading.enumerate())


def test_pieces_of_all_sizes_are_worked_on_in_order() -> None:
    rng = random.Random(1)
    pieces = [rng.randbytes(rng.choice((1, 1000, LARGE, LARGE + 1))) for _ in range(200)]
    found = hashlib.sha256()
    with Behind(found.update) as behind:
        for piece in pieces:
            behind(memoryview(piece))
    assert found.digest() == hashlib.sha256(b"".join(pieces)).digest()
    assert _threads() == 0


def test_a_piece_may_change_when_the_next_one_is_given() -> None:
    """Two buffers in turn are enough, as the transfer of layers uses them."""
    buffers = [memoryview(bytearray(LARGE)), memoryview(bytearray(LARGE))]
    found, expected = hashlib.sha256(), hashlib.sha256()
    with Behind(found.update) as behind:
        for number in range(64):
            buffer = buffers[number % 2]
            buffer[:] = bytes([number]) * LARGE
            expected.update(buffer)
            behind(buffer)
    assert found.digest() == expected.digest()


def test_all_is_done_when_waiting_is_over() -> None:
    seen: list[int] = []
    with Behind(lambda data: seen.append(data.nbytes)) as behind:
        for count in range(1, 50):
            behind(memoryview(bytes(LARGE)))
            behind.wait()
            assert len(seen) == count


def test_an_error_of_the_work_is_raised_by_what_comes_next() -> None:
    def fail(data: memoryview) -> None:
        raise OSError(f"{data.nbytes} bytes too many")

    behind = Behind(fail)
    behind(memoryview(bytes(LARGE)))
    with pytest.raises(OSError, match="too many"):
        behind.wait()
    with pytest.raises(OSError, match="too many"):
        behind(memoryview(bytes(LARGE)))
    behind.close()
    with pytest.raises(OSError, match="too many"), Behind(fail) as last:
        last(memoryview(bytes(LARGE)))
    assert _threads() == 0


def test_a_failure_elsewhere_is_not_hidden_and_ends_the_thread() -> None:
    seen: list[int] = []

    def fail() -> None:
        with Behind(lambda data: seen.append(data.nbytes)) as behind:
            behind(memoryview(bytes(LARGE)))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert seen == [LARGE]
    assert _threads() == 0


def test_a_signal_between_giving_a_piece_and_saying_so_leaves_nothing_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An upload that is interrupted waits for its hash before it saves the state."""
    seen: list[int] = []
    behind = Behind(lambda data: seen.append(data.nbytes))
    behind(memoryview(bytes(LARGE)))
    behind.wait()

    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(behind._wake, "set", interrupted)
        with pytest.raises(KeyboardInterrupt):
            behind(memoryview(bytes(LARGE + 1)))
    behind.wait()
    behind.close()
    assert seen == [LARGE, LARGE + 1]


def test_after_the_end_pieces_are_worked_on_at_once() -> None:
    seen: list[int] = []
    behind = Behind(lambda data: seen.append(data.nbytes))
    behind(memoryview(bytes(LARGE)))
    behind.close()
    behind.close()
    behind(memoryview(bytes(LARGE)))
    assert seen == [LARGE, LARGE]
    assert _threads() == 0
