"""Documents of unknown media type: kept, never guessed at, and what they name kept with them."""

from __future__ import annotations

from regctl.manifest.descriptor import Descriptor
from regctl.manifest.document import MAX_PARSED_BYTES, Object, Value, is_integer, parse_document
from regctl.manifest.reader import read_descriptors


def descriptors_within(content: bytes, *, limit: int = MAX_PARSED_BYTES) -> tuple[Descriptor, ...]:
    """Every descriptor at any depth of the document, in its order, repetitions included.

    A descriptor is an object with a ``digest`` that parses, an integer ``size`` and a text
    ``mediaType``. Raises `InvalidManifestError` if ``content`` is not a JSON object.
    """
    found: list[Descriptor] = []
    # A stack of its own: a document may be nested deeper than functions can be.
    pending: list[Value] = [parse_document(content, limit)]
    while pending:
        value = pending.pop()
        if isinstance(value, Object):
            if _is_descriptor(value):
                # What is malformed in there is of no interest: it is no descriptor then.
                found += read_descriptors(value, "", [])
            pending += [member for _, member in reversed(value.members)]
        elif isinstance(value, list):
            pending += reversed(value)
    return tuple(found)


def _is_descriptor(value: Object) -> bool:
    return any(is_integer(size) for size in value.values("size")) and any(
        isinstance(text, str) for text in value.values("mediaType")
    )
