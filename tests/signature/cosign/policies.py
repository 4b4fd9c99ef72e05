"""Policies for tests: those that every reader takes, and those that every reader refuses."""

from __future__ import annotations

import base64
import json

from tests.signature.cosign.samples import VECTORS

ACCEPT = [{"type": "insecureAcceptAnything"}]
REJECT = [{"type": "reject"}]
KEY_DATA = base64.b64encode((VECTORS / "keys" / "a.pub").read_bytes()).decode()
B_DATA = base64.b64encode((VECTORS / "keys" / "b.pub").read_bytes()).decode()


def policy(default: object = ACCEPT, **docker: object) -> bytes:
    """A policy with this default and these scopes of the transport docker."""
    document: dict[str, object] = {"default": default}
    if docker:
        document["transports"] = {"docker": docker}
    return json.dumps(document).encode()


def sigstore(**more: object) -> dict[str, object]:
    return {"type": "sigstoreSigned", **more}


def signed_by(**more: object) -> dict[str, object]:
    return {"type": "signedBy", "keyType": "GPGKeys", **more}


FULCIO = {"caData": "QQ==", "oidcIssuer": "https://i.example", "subjectEmail": "a@b.example"}
PKI = {"caRootsData": "QQ==", "subjectEmail": "a@b.example"}
IDENTITY = {"type": "matchRepository"}

#: Asks for what cannot be checked here, and is read by every release.
GOOD_UNCHECKABLE: list[bytes] = [
    policy([signed_by(keyPath="/k")]),
    policy([signed_by(keyData="QQ==", signedIdentity={"type": "matchExact"})]),
    policy([{"type": "signedBaseLayer", "baseLayerIdentity": IDENTITY}]),
]
#: Read by containers/image of 2022 (5.22) and by every later one.
GOOD: list[bytes] = [
    policy(),
    policy(REJECT),
    policy([sigstore(keyPath="/k")]),
    policy([sigstore(keyData=KEY_DATA, signedIdentity=IDENTITY)]),
    policy([*ACCEPT, *REJECT]),
    policy(**{"": REJECT, "r.example/a:v1": ACCEPT, "*.example": ACCEPT, "any text": REJECT}),
    b'{"default":[{"type":"reject"}],"transports":{}}',
    b' {"default":[{"type":"reject"}],"transports":{"docker":{},"dir":{"":[{"type":"reject"}]}}} ',
    b'{"default":[{"\\u0074ype":"reject"}]}',
    policy([sigstore(keyPath="/k", signedIdentity={"type": "exactReference",
            "dockerReference": "r.example/a:v1"})]),
    policy([sigstore(keyPath="/k", signedIdentity={"type": "exactRepository",
            "dockerRepository": "busybox"})]),
    policy([sigstore(keyPath="/k", signedIdentity={"type": "remapIdentity",
            "prefix": "r.example:5000/a", "signedPrefix": "s.example"})]),
    *GOOD_UNCHECKABLE,
]  # fmt: skip

BY_PATHS = policy([sigstore(keyPaths=["/k", "/l"])])
BY_DATAS = policy([sigstore(keyDatas=[KEY_DATA, B_DATA])])
NEWER_UNCHECKABLE: list[bytes] = [
    policy([sigstore(fulcio=FULCIO, rekorPublicKeyData="QQ==")]),
    policy([sigstore(keyPath="/k", rekorPublicKeyPath="/r")]),
    policy([sigstore(pki=PKI)]),
    policy([sigstore(pki={**PKI, "caIntermediatesData": "QQ==", "subjectHostname": "h"})]),
    policy([signed_by(keyPaths=["/k"])]),
]
#: Read by later releases only.
NEWER: list[bytes] = [
    BY_PATHS,
    BY_DATAS,
    policy([sigstore(keyPath="/k", keyData=None)]),
    policy([sigstore(keyPath="", keyData=KEY_DATA)]),
    *NEWER_UNCHECKABLE,
]

#: Refused by later releases as they are read, and by early ones with every image.
BAD_LATER: list[tuple[bytes, str]] = [
    (policy([sigstore(keyPath="")]), "must have one of"),
    (policy([sigstore(keyData=None)]), "must have one of"),
]
#: Refused by every release, and a part of our reason.
BAD: list[tuple[bytes, str]] = [
    (b"", "not valid JSON"),
    (b"[]", "a list, not an object"),
    (b"{}", "no default"),
    (policy() + b"x", "extra data"),
    (b'{"default":null}', "no requirements"),
    (policy([]), "no requirements"),
    (policy({}), "not a list"),
    (policy(ACCEPT, **{"r.example": []}), "transports.docker['r.example'] has no requirements"),
    (b'{"default":[{"type":"reject"}],"other":1}', "unknown member 'other'"),
    (b'{"Default":[{"type":"reject"}]}', "unknown member 'Default'"),
    (b'{"default":[{"type":"reject"}],"default":[{"type":"reject"}]}', "'default' twice"),
    (b'{"default":[{"type":"reject"}],"transports":null}', "transports is null"),
    (b'{"default":[{"type":"reject"}],"transports":{"docker":[]}}', "docker is a list"),
    (
        b'{"default":[{"type":"reject"}],"transports":{"docker":{"a":[{"type":"reject"}],'
        b'"a":[{"type":"reject"}]}}}',
        "'a' twice",
    ),
    (b'{"default":[{"type":"reject"}],"transports":{"dir":{"":[{"type":"x"}]}}}', "type 'x'"),
    (policy([None]), "null, not an object"),
    (policy([{}]), "unknown type ''"),
    (policy([{"type": 1}]), "not a string"),
    (policy([{"type": "rejects"}]), "unknown type 'rejects'"),
    (policy([{"type": "reject", "x": 1}]), "unknown member 'x'"),
    (policy([{"type": "insecureAcceptAnything", "keyPath": "/k"}]), "unknown member"),
    (b'{"default":[{"type":"reject","type":"reject"}]}', "'type' twice"),
    (policy([sigstore()]), "must have one of"),
    (policy([sigstore(keyPath="/k", keyData=KEY_DATA)]), "and has 2"),
    (policy([sigstore(keyPath=7)]), "keyPath is 7"),
    (policy([sigstore(keyData="*")]), "not base64"),
    (policy([sigstore(keyData=7)]), "not base64"),
    (policy([sigstore(keypath="/k")]), "unknown member 'keypath'"),
    (policy([sigstore(keyPath="/k", signedIdentity=None)]), "null, not an object"),
    (policy([sigstore(keyPath="/k", signedIdentity={"type": "x"})]), "unknown type 'x'"),
    (policy([sigstore(keyPaths=[])]), "not a list with entries"),
    (policy([sigstore(keyPaths=None)]), "not a list with entries"),
    (policy([sigstore(keyDatas=[])]), "not a list with entries"),
    (policy([sigstore(keyPath="/k", pki=PKI)]), "and has 2"),
    (policy([sigstore(fulcio=FULCIO)]), "without a key of Rekor"),
    (policy([sigstore(fulcio=None, rekorPublicKeyPath="/r")]), "null, not an object"),
    (policy([sigstore(fulcio={**FULCIO, "x": 1}, rekorPublicKeyPath="/r")]), "unknown member"),
    (policy([sigstore(fulcio={"caPath": "/c"}, rekorPublicKeyPath="/r")]), "lacks the member"),
    (
        policy([sigstore(fulcio={**FULCIO, "caPath": "/c"}, rekorPublicKeyPath="/r")]),
        "must have one of caPath",
    ),
    (
        policy([sigstore(keyPath="/k", rekorPublicKeyPath="/r", rekorPublicKeyData="QQ==")]),
        "may have one of",
    ),
    (policy([sigstore(pki={"caRootsPath": "/c"})]), "subjectEmail or subjectHostname"),
    (policy([sigstore(pki={"subjectEmail": "a"})]), "must have one of caRootsPath"),
    (
        policy([sigstore(pki={**PKI, "caIntermediatesPath": "a", "caIntermediatesData": "QQ=="})]),
        "may have one of caIntermediatesPath",
    ),
    (policy([signed_by()]), "must have one of"),
    (policy([signed_by(keyPath="/k", keyData="QQ==")]), "must have one of"),
    (policy([signed_by(keyPath="/k", keyType="x")]), "keyType: 'x'"),
    (policy([{"type": "signedBy", "keyPath": "/k"}]), "keyType: null"),
    (policy([signed_by(keyPath="/k", x=1)]), "unknown member 'x'"),
    (policy([{"type": "signedBaseLayer"}]), "lacks the member 'baseLayerIdentity'"),
]
