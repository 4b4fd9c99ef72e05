"""What manifests name, and the records of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.digest import Digest
from regctl.errors import InvalidManifestError
from regctl.maintenance.inventory import references as module
from regctl.maintenance.inventory.references import (
    GROUPS,
    ReferencePool,
    References,
    pack,
    read_manifest_references,
    unpack,
)
from regctl.maintenance.inventory.table import DigestTable
from regctl.manifest import ManifestKind
from tests.images import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from tests.maintenance.inventory.storages import descriptor
from tests.schema1 import payload_of

A, B, C, D, E = (Digest.parse(f"sha256:{letter * 64}") for letter in "abcde")
SHA512 = Digest.parse("sha512:" + "5" * 128)
TARSUM = Digest.parse("tarsum.v1+sha256:" + "7" * 64)
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def read(**document: object) -> References:
    return read_manifest_references(json.dumps(document).encode())


def layer(digest: Digest, **more: object) -> dict[str, object]:
    return descriptor(digest, OCI_LAYER, **more)


def test_an_image_names_config_layers_and_subject() -> None:
    found = read(
        schemaVersion=2,
        mediaType=OCI_MANIFEST,
        config=descriptor(A, OCI_CONFIG),
        layers=[layer(B), descriptor(C, FOREIGN, urls=["https://x/y"]), layer(B), layer(SHA512)],
        subject=descriptor(D, OCI_MANIFEST),
    )
    assert found == References(
        ManifestKind.IMAGE, configs=(A,), layers=(B, SHA512), foreign=(C,), subjects=(D,)
    )


def test_an_index_names_children_that_are_manifests_and_some_that_may_be() -> None:
    found = read(
        schemaVersion=2,
        mediaType=OCI_INDEX,
        manifests=[descriptor(A, OCI_MANIFEST), layer(B), descriptor(C, OCI_INDEX)],
    )
    assert found == References(ManifestKind.INDEX, children=(A, C), possible=(B,))


def test_all_spellings_count_and_members_of_another_kind() -> None:
    found = read(
        schemaVersion=2,
        mediaType=OCI_MANIFEST,
        layers=[layer(A)],
        LAYERS=[layer(B)],
        manifests=[descriptor(C, OCI_MANIFEST)],
        fsLayers=[{"blobSum": str(TARSUM)}],
    )
    assert set(found.layers) == {A, B, TARSUM}
    assert found.children == (C,)


def test_schema_1_names_its_layers() -> None:
    found = read_manifest_references(payload_of("a", "t", [TARSUM, A]))
    assert found == References(ManifestKind.SCHEMA1, layers=(TARSUM, A))


def test_the_withdrawn_artifact_names_blobs() -> None:
    found = read(
        mediaType="application/vnd.oci.artifact.manifest.v1+json",
        blobs=[layer(A)],
        subject=descriptor(B, OCI_MANIFEST),
    )
    assert found == References(ManifestKind.ARTIFACT, blobs=(A,), subjects=(B,))


def test_an_unknown_type_names_all_descriptors_in_it() -> None:
    found = read(
        mediaType="application/x",
        a=[{"b": layer(A)}, {"digest": str(C)}],
        c=descriptor(B, OCI_MANIFEST),
        subject=descriptor(D, OCI_MANIFEST),
    )
    assert found == References(ManifestKind.UNKNOWN, children=(B, D), possible=(A,), subjects=(D,))
    assert not found.tells_nothing


def test_what_tells_nothing() -> None:
    assert read(mediaType="application/x", digest="sha256:x").tells_nothing
    assert not read(schemaVersion=2, mediaType=OCI_INDEX, manifests=[]).tells_nothing


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"schemaVersion":2,"layers":{}}',
        json.dumps({"schemaVersion": 2, "layers": [{"digest": "blake3:00"}]}).encode(),
        b'{"a":"' + b"x" * (4 << 20) + b'"}',
    ],
)
def test_what_leaves_open_what_it_names_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidManifestError):
        read_manifest_references(content)


DIGESTS = st.sampled_from([A, B, C, D, E])
ANY = st.one_of(DIGESTS, DIGESTS, st.sampled_from([SHA512, TARSUM]))
REFERENCES = st.one_of(
    *(
        st.builds(
            References,
            st.sampled_from(ManifestKind),
            **{name: st.lists(digests, max_size=3, unique=True).map(tuple) for name in GROUPS},
        )
        for digests in (DIGESTS, ANY)
    )
)


@given(REFERENCES)
def test_records_read_back(references: References) -> None:
    record = pack(E, references)
    assert unpack(E, record) == references
    table = DigestTable()
    pool = ReferencePool(table)
    assert pool.add(E, pack(E, References(ManifestKind.IMAGE, layers=(A,)))) == 0
    place = pool.add(E, record)
    assert place is not None
    found = pool.get(place)
    assert found.kind is references.kind
    assert found.tells_nothing == references.tells_nothing
    assert [[table.digest(n) for n in group] for group in found.groups()] == [
        list(group) for group in references.groups()
    ]
    assert len(list(found.leaves())) == 4


@given(REFERENCES, st.data())
def test_a_damaged_record_is_none(references: References, data: st.DataObject) -> None:
    record = bytearray(pack(E, references))
    at = data.draw(st.integers(0, len(record) - 1))
    if data.draw(st.booleans()):
        record[at] ^= data.draw(st.integers(1, 255))
    else:
        del record[at:]
    assert unpack(E, bytes(record)) is None
    assert ReferencePool(DigestTable()).add(E, bytes(record)) is None


def test_the_record_of_another_manifest_is_none() -> None:
    record = pack(A, References(ManifestKind.IMAGE))
    assert unpack(B, record) is None
    assert unpack(A, record + b"\0") is None


def test_the_record_of_another_version_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    record = pack(A, References(ManifestKind.IMAGE))
    monkeypatch.setattr(module, "PARSER_VERSION", module.PARSER_VERSION + 1)
    assert unpack(A, record) is None


def test_a_record_is_small() -> None:
    assert len(pack(E, References(ManifestKind.IMAGE, configs=(A,), layers=(B, C)))) < 150
