from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from regctl.errors import InvalidManifestError
from regctl.manifest import descriptors_within, examine, faults, parse_manifest
from regctl.manifest import media_types as types
from tests.manifest.samples import OCI_IMAGE, OCI_INDEX, A, B, encode

NAMES = [
    *("schemaVersion", "mediaType", "config", "layers", "Layers", "manifests", "fsLayers"),
    *("blobs", "subject", "annotations", "artifactType", "digest", "Digest", "blobSum", "size"),
    *("urls", "platform", "data", "os", "os.version", "signatures", "name"),
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-3, max_value=3),
    st.just(2),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([A, B, "sha256:x", "md5:0", OCI_IMAGE, OCI_INDEX, types.OCI_ARTIFACT]),
    st.text(),
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(NAMES),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=6)
        ),
        max_leaves=20,
    ),
)


@given(DOCUMENTS)
def test_any_object_is_read_or_refused_with_reasons(document: dict[str, object]) -> None:
    content = encode(document)
    descriptors_within(content)
    examined, found = examine(content, OCI_IMAGE)
    reasons: tuple[str, ...] = ()
    manifest = None
    try:
        manifest = parse_manifest(content, OCI_IMAGE)
    except InvalidManifestError as error:
        reasons = error.reasons
    assert examined == manifest
    assert [fault.message for fault in found if fault.code == "malformed"] == list(reasons)
    if manifest is None:
        assert reasons
    else:
        assert found == faults(content, manifest)
        assert hash(manifest) == hash(examined)
