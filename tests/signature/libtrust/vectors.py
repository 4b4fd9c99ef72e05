"""What libtrust, and the registry of January 2015, made and said: ``tests/vectors/libtrust``."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regctl.signature.libtrust import PrivateKey, read_private
from regctl.signature.libtrust.document import Document, parse

VECTORS = Path(__file__).parent.parent.parent / "vectors" / "libtrust"
INDEX: dict[str, Any] = json.loads((VECTORS / "index.json").read_text())
DOCUMENTS: dict[str, dict[str, Any]] = {each["name"]: each for each in INDEX["vectors"]}
KEY_CASES: dict[str, dict[str, Any]] = {each["name"]: each for each in INDEX["key_cases"]}
KEYS: dict[str, dict[str, Any]] = {each["name"]: each for each in INDEX["keys"]}
#: When nearly all certificates are valid.
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def read(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


def content(name: str) -> bytes:
    """The document of a vector, exactly as it was pushed."""
    return read(DOCUMENTS[name]["file"])


def payload(name: str) -> bytes:
    return read(DOCUMENTS[name]["payload"]["file"])


def blobs(name: str) -> list[bytes]:
    """What the registry stored of a vector's signatures."""
    return [read(each["file"]) for each in DOCUMENTS[name]["signatures"]]


def document(name: str) -> Document:
    return parse(content(name))


def private_key(name: str, form: str = "jwk") -> PrivateKey:
    file = KEYS[name][f"private_{form}"]
    return read_private(file, read(file))


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
