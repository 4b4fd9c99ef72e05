"""The check that keeps a libcrypto of another form from being used."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regctl.digest import libcrypto
from regctl.digest.libcrypto import Libcrypto


def loaded() -> Libcrypto:
    library = libcrypto.load()
    assert library is not None
    return library


def offered(*names: str | None) -> Callable[[], Iterator[str | None]]:
    return lambda: iter(names)


def test_a_library_that_is_none_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "garbage.so").write_bytes(b"no library")
    names = (str(tmp_path / "absent.so"), str(tmp_path / "garbage.so"), "libc.so.6")
    monkeypatch.setattr(libcrypto, "_candidates", offered(*names))
    assert libcrypto.load() is None


def test_a_library_that_refuses_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """In FIPS mode the low-level functions may answer 0."""
    real = loaded()
    monkeypatch.setattr(libcrypto, "_candidates", offered("any"))
    refusing = Libcrypto(lambda _: 0, real.sha256_update, real.sha256_final)
    monkeypatch.setattr(libcrypto, "_open", lambda _: refusing)
    assert libcrypto.load() is None


def test_a_library_with_another_context_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """It hashes right and keeps its state elsewhere: only the state's check can tell."""
    real = loaded()
    hidden: dict[int, object] = {}

    def init(context: ctypes.Array[ctypes.c_char]) -> int:
        hidden[id(context)] = inner = real.new()
        return int(real.sha256_init(inner))

    def update(context: ctypes.Array[ctypes.c_char], data: object, length: int) -> int:
        return int(real.sha256_update(hidden[id(context)], data, length))

    def final(raw: object, context: ctypes.Array[ctypes.c_char]) -> int:
        inner = hidden.get(id(context))
        return int(real.sha256_final(raw, real.new() if inner is None else inner))

    assert libcrypto._behaves(real)
    assert not libcrypto._behaves(Libcrypto(init, update, final))


def test_a_refused_step_is_never_silent() -> None:
    real = loaded()
    refusing = Libcrypto(real.sha256_init, lambda *_: 0, real.sha256_final)
    with pytest.raises(RuntimeError):
        refusing.update(refusing.new(), b"abc", 3)
