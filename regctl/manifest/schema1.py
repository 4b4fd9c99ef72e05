"""Making the payload of a schema 1 manifest, in the exact bytes that are signed.

Source: Distribution, ``manifest/schema1`` (January 2015: ``manifest/sign.go``), which signs
``json.MarshalIndent(manifest, "", "   ")``.
"""

from __future__ import annotations

from collections.abc import Sequence

from regctl.digest import Digest
from regctl.errors import InvalidManifestError
from regctl.manifest import gojson

_INDENT = "   "


def make_payload(
    name: str,
    tag: str,
    architecture: str,
    layers: Sequence[Digest] | None,
    history: Sequence[str] | None,
) -> bytes:
    """The payload that names ``layers``, newest first, each with its text in ``history``.

    The texts are the ``v1Compatibility`` of old, JSON of its own, taken as they are. None writes
    ``null``, which is what Go makes of a list that was never begun; an empty list writes ``[]``.

    Raises `InvalidManifestError` unless there are as many layers as texts: Docker refuses others.
    """
    if len(layers or ()) != len(history or ()):
        raise InvalidManifestError(
            f"a schema 1 manifest has one text of history a layer: there are "
            f"{len(layers or ())} layers and {len(history or ())} texts"
        )
    compact = gojson.members(
        (
            ("schemaVersion", "1"),
            ("name", gojson.quote(name)),
            ("tag", gojson.quote(tag)),
            ("architecture", gojson.quote(architecture)),
            ("fsLayers", _list("blobSum", layers)),
            ("history", _list("v1Compatibility", history)),
        )
    )
    return gojson.indented(compact, "", _INDENT).encode()


def _list(member: str, values: Sequence[object] | None) -> str:
    if values is None:
        return "null"
    quoted = (gojson.quote(str(value)) for value in values)
    return "[" + ",".join(gojson.members([(member, text)]) for text in quoted) + "]"
