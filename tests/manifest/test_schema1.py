from __future__ import annotations

import json
from pathlib import Path

import pytest

from regctl.digest import Digest
from regctl.errors import InvalidManifestError
from regctl.manifest import ManifestKind, parse_manifest
from regctl.manifest.schema1 import make_payload

PAYLOADS = Path(__file__).parent.parent / "vectors" / "libtrust" / "payloads"
MADE = ["sign-ec256", "sign-html", "sign-null-lists", "sign-layers"]


@pytest.mark.parametrize("name", MADE)
def test_a_payload_is_the_one_that_go_made_to_the_byte(name: str) -> None:
    """What is signed is these bytes: an escape in another case, and no signature verifies."""
    expected = (PAYLOADS / f"{name}.payload").read_bytes()
    said = json.loads(expected)
    layers, history = said["fsLayers"], said["history"]
    made = make_payload(
        said["name"],
        said["tag"],
        said["architecture"],
        None if layers is None else [Digest.parse(each["blobSum"]) for each in layers],
        None if history is None else [each["v1Compatibility"] for each in history],
    )
    assert made == expected


def test_a_payload_is_read_back_as_what_it_was_made_of() -> None:
    layer = Digest.parse("sha256:" + "a" * 64)
    payload = make_payload("a/b", "v1", "arm64", [layer, layer], ["{}", "\ud800<"])
    manifest = parse_manifest(payload)
    assert manifest.kind is ManifestKind.SCHEMA1
    assert (manifest.name, manifest.tag, manifest.architecture) == ("a/b", "v1", "arm64")
    assert [each.digest for each in manifest.layers] == [layer, layer]
    assert '"v1Compatibility": "\ufffd\\u003c"'.encode() in payload


def test_layers_without_their_history_are_refused() -> None:
    layer = Digest.parse("sha256:" + "a" * 64)
    for layers, history in ([layer], []), ([layer], None), (None, ["{}"]):
        with pytest.raises(InvalidManifestError, match="one text of history a layer"):
            make_payload("a", "b", "c", layers, history)
