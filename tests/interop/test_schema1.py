"""Signed schema 1 manifests, between regctl and a real registry 2.8 that takes them."""

from __future__ import annotations

from pathlib import Path

from regctl.signature.libtrust import parse, verify, verify_push
from tests import schema1
from tests.images import Blob, build_image
from tests.interop.conftest import Serve
from tests.interop.program import Regctl
from tests.registry.storages import digest_of

SIGNED_TYPE = "application/vnd.docker.distribution.manifest.v1+prettyjws"
LAYERS = build_image(seed=41, layers=2).layers
PAYLOAD = schema1.payload_of("app", "old", [each.digest for each in LAYERS])


def test_a_registry_takes_and_serves_what_regctl_signed(
    serve: Serve, regctl: Regctl, tmp_path: Path
) -> None:
    for layer in LAYERS:
        regctl.push_blob("app", layer)
    file = tmp_path / "payload.json"
    file.write_bytes(PAYLOAD)
    key = ("--key", str(schema1.KEY_FILE))
    revision = regctl.ok("push-manifest", "app:old", str(file), *key).line
    assert revision == str(digest_of(PAYLOAD))
    document = regctl.ok("pull-manifest", "app:old").stdout

    client = serve(schema1=True).client
    served = client.manifest("app", "old").expect(200)
    assert (served.media_type, str(served.digest)) == (SIGNED_TYPE, revision)
    assert parse(served.body).payload == PAYLOAD
    assert verify_push(served.body, "app", "old") == ()
    answer = client.put_manifest("app", "old", Blob(document, SIGNED_TYPE)).expect(201)
    assert str(answer.digest) == revision
    again = client.put_manifest("app", "old", Blob(PAYLOAD, SIGNED_TYPE))
    assert again.status == 400, "the registry takes unsigned ones: the test above says nothing"

    # The registry signs anew on every pull: that signature is one more.
    file.write_bytes(served.body)
    regctl.ok("push-manifest", "app:old", str(file))
    merged = regctl.ok("pull-manifest", "app:old").stdout
    (theirs,) = verify(parse(served.body))
    found = verify(parse(merged))
    assert {each.key_id for each in found} == {schema1.EC256.public.key_id, theirs.key_id}
    assert all(each.verified for each in found)
    client.put_manifest("app", "old", Blob(merged, SIGNED_TYPE)).expect(201)


def test_regctl_serves_and_signs_what_a_registry_took(serve: Serve, regctl: Regctl) -> None:
    """2.8 drops the signatures of what is pushed, and keeps those that lie beside a revision."""
    client = serve(schema1=True).client
    for layer in LAYERS:
        client.push_blob("app", layer.content, layer.digest)
    document = schema1.signed_by(PAYLOAD, schema1.RSA, schema1.EC384)
    client.put_manifest("app", "old", Blob(document, SIGNED_TYPE)).expect(201)
    pulled = regctl.ok("pull-manifest", "app:old")
    assert (pulled.stdout, "no signatures" in pulled.stderr) == (PAYLOAD, True)
    regctl.ok("sign", "app:old", "--key", str(schema1.KEY_FILE))
    assert verify_push(regctl.ok("pull-manifest", "app:old").stdout, "app", "old") == ()
    client.put_manifest("app", "old", Blob(document, SIGNED_TYPE)).expect(201)
    (signer,) = verify(parse(regctl.ok("pull-manifest", "app:old").stdout))
    assert signer.key_id == schema1.EC256.public.key_id
    assert client.manifest("app", "old").expect(200).media_type == SIGNED_TYPE
