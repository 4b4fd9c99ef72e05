"""Pulling a layer into a file, taking up what an interrupted run left."""

from __future__ import annotations

from collections.abc import Callable

from regctl.digest import Verifier
from regctl.registry.layers import Layer, LayerService
from regctl.registry.localfile import PartFile
from regctl.registry.transfer import pull


def pull_to_file(
    layers: LayerService,
    layer: Layer,
    target: str,
    *,
    force: bool,
    verify: bool,
    progress: Callable[[int], None],
) -> None:
    """Make ``target`` a file with the bytes of ``layer``; it appears when they are verified.

    The part that an earlier run left is hashed and continued. If the whole is then wrong, it is
    pulled once more from the beginning, because the part may be to blame. Raises `DamagedError`
    if what is stored is not what its digest says, with nothing left behind; `UnsafeError` if
    ``target`` exists and ``force`` is not set.
    """
    with PartFile(target, layer.canonical) as part:
        verifier = _replay(part, layer, progress)
        resumed = part.size > 0
        _pull(layers, layer, part, verifier, progress)
        if verify and resumed and verifier.mismatch():
            part.restart()
            verifier = layer.verifier()
            _pull(layers, layer, part, verifier, lambda _count: None)
        if verify and verifier.mismatch():
            part.discard()
            verifier.check_stored(f"the layer {layer.digest}")
        part.publish(force=force)


def _replay(part: PartFile, layer: Layer, progress: Callable[[int], None]) -> Verifier:
    """The verifier of what the part holds; a part that is too long is begun anew."""
    verifier = layer.verifier()
    if part.size > layer.size:
        part.restart()

    def take(data: memoryview) -> None:
        verifier.update(data)
        progress(len(data))

    part.replay(take)
    return verifier


def _pull(
    layers: LayerService,
    layer: Layer,
    part: PartFile,
    verifier: Verifier,
    progress: Callable[[int], None],
) -> None:
    if part.size < layer.size:
        pull(layers, layer, part.write, offset=part.size, verify=verifier.update, progress=progress)
