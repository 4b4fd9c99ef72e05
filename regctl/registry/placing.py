"""The end of an upload: its data becomes a blob that is linked; and what a lost end left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from regctl.digest import Digest
from regctl.digest.sha256 import ResumableSHA256
from regctl.registry.layers import Layer, LayerService
from regctl.registry.uploadfiles import UploadFiles


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of an upload: a layer, by the digest that it was demanded or asked for by.

    With ``other_bytes`` the layer is an archive that was stored already: it has the same TarSum,
    and stays; its size is that of the layer, and the upload's own bytes are gone. ``alternative``
    is the other TarSum that some programs give the archive, if it is an ambiguous one.
    """

    layer: Layer
    other_bytes: bool = False
    alternative: Digest | None = None


def place(
    layers: LayerService,
    layer: Layer,
    sha: Digest,
    alias: Digest | None,
    move: Callable[[str], None],
) -> tuple[Layer, bool]:
    """Have ``move`` put the data at its address, and link it, blob before link.

    ``layer`` is what the data is, ``sha`` its sha256 digest. Returns the layer that there is in
    the end, and whether it has other bytes, see `Finished`.

    Where the blob is there already it is relied on, so it is looked at again once the link is
    written: a collector may have taken it in between, and then the data is still at hand.
    """
    blobs, canonical = layers.blobs, layer.canonical
    while True:
        stored, other_bytes = blobs.size(canonical), False
        if stored is None:
            move(blobs.path(canonical))
        elif canonical.is_tarsum:
            other_bytes = blobs.read_archive(canonical) != sha
        elif stored != layer.size:
            raise blobs.wrong_size(canonical, stored, layer.size)
        layers.link(canonical, alias, layer.digest)
        if stored is None:
            return layer, False
        if blobs.size(canonical) is not None:
            return replace(layer, size=stored), other_bytes


def find_moved(layers: LayerService, files: UploadFiles, expected: Digest) -> Layer | None:
    """The blob that a lost process made of the data of ``files``, before it cleaned up.

    Then no data is left, and the newest hash state is that of a blob that is stored, with as many
    bytes; or the states are gone as well, and the layer ``expected`` is linked. None if that is
    not so. In the layout of 2015 the blob lies at ``expected``: where it is another archive, which
    was there first, the layer is linked before the data goes.
    """
    newest = max(files.states(), default=0)
    state = files.read_state(newest) if newest else None
    if state is not None:
        sha = Digest.of_hash("sha256", ResumableSHA256.restore(state).digest())
        canonical = expected if layers.by_tarsum else sha
        found = layers.blobs.size(canonical) == newest
        if found and canonical.is_tarsum:
            found = layers.blobs.read_archive(canonical) == sha
        if found:
            return Layer(canonical, canonical, newest)
        if not layers.by_tarsum:
            return None
    return layers.get(expected) if layers.exists(expected) else None
