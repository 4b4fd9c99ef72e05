"""What man pages say beyond the commands' own help."""

from __future__ import annotations

SUMMARY = "work on a container registry's storage directly"

EXIT_STATUS = [
    ("0", "Done."),
    ("1", "Something is missing or damaged, part of the work failed, or the answer was no."),
    (
        "2",
        "The command line cannot be right: also a malformed name, reference or digest, a FILE "
        "that is missing or a directory, no storage, or a question without a terminal to ask on.",
    ),
    ("3", "A repository, tag, revision, layer or upload is not there."),
    ("4", "Content is refused: a digest does not match, or a manifest is invalid."),
    ("5", "The storage cannot be reached, read or written, or what it holds is damaged."),
    ("6", "Refused, because it could lose something."),
    ("70", "A bug in regctl; -v shows where."),
    ("130, 143, 141", "Interrupted, terminated, or the reader of a pipe has left."),
]

ENVIRONMENT = [
    ("REGCTL_STORAGE", "Where the storage is, if neither --storage nor --config is given."),
    (
        "REGCTL_CONFIG",
        "A registry's own config.yml, if REGCTL_STORAGE is not set either. Without it, "
        "/etc/distribution/config.yml and /etc/docker/registry/config.yml are tried.",
    ),
    ("REGCTL_HTTP_SECRET", "The registry's http.secret, which signs upload tokens."),
    (
        "REGISTRY_*",
        "Overrides of a registry's configuration, applied as the registry applies them: "
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY sets storage.filesystem.rootdirectory.",
    ),
    (
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE",
        "Credentials for s3:// storages, with all else that the AWS SDK knows, where the "
        "configuration has none.",
    ),
    (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "The key file for gs:// storages; without it the application default credentials are "
        "used. STORAGE_EMULATOR_HOST names an emulator instead of Google.",
    ),
    (
        "COSIGN_PASSWORD",
        "The passphrase of private keys, for sign and keygen; set to nothing, the empty one.",
    ),
    (
        "XDG_CACHE_HOME",
        "Where gc and why keep what manifests name from run to run: regctl/references.sqlite "
        "below it, or below ~/.cache. It may be removed at any time.",
    ),
    ("NO_COLOR", "If set and not empty, nothing is coloured."),
]

_STORAGE = "regctl --storage /var/lib/registry"
_HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_DIGEST = f"sha256:{_HEX}"
_UPLOAD = "2f1f5e7a-7d0c-4c0e-9d2b-0f6a7f1d9c11"

#: Examples by command: what each does, and its line, which a test parses.
EXAMPLES: dict[str, list[tuple[str, str]]] = {
    "regctl": [
        ("List the repositories of a storage:", f"{_STORAGE} ls"),
        (
            "The same, of the storage that a registry's configuration names:",
            "regctl --config /etc/docker/registry/config.yml ls",
        ),
        (
            "Of a bucket, as JSON, one object a line:",
            "regctl --storage 's3://bucket/prefix?region=eu-central-1' --format json ls",
        ),
    ],
    "regctl push-layer": [
        ("Store a layer:", "regctl push-layer team/app layer.tar.gz"),
        (
            "From a pipe, if it is what it should be:",
            f"regctl push-layer team/app - --digest {_DIGEST}",
        ),
        (
            "Known by its TarSum as well:",
            "regctl push-layer team/app layer.tar --tarsum",
        ),
        (
            "Go on with an interrupted push:",
            f"regctl push-layer team/app layer.tar.gz --resume {_UPLOAD}",
        ),
    ],
    "regctl pull-layer": [
        ("Into a file:", f"regctl pull-layer team/app {_DIGEST} -o layer.tar.gz"),
        ("List what it holds:", f"regctl pull-layer team/app {_DIGEST} | tar tz"),
    ],
    "regctl push-manifest": [
        ("Store a manifest and tag it:", "regctl push-manifest team/app:v1 manifest.json"),
        (
            "With blobs that another repository holds:",
            "regctl push-manifest team/app:v1 manifest.json --mount-from team/base",
        ),
        (
            "Sign a schema 1 manifest and store it:",
            "regctl push-manifest old/app:v1 payload.json --key libtrust.json",
        ),
    ],
    "regctl pull-manifest": [
        ("Into a file:", "regctl pull-manifest team/app:v1 -o manifest.json"),
        (
            "Of a schema 1 manifest, what its signatures are made over:",
            "regctl pull-manifest old/app:v1 --payload -o payload.json",
        ),
    ],
    "regctl inspect": [
        ("What a tag leads to:", "regctl inspect team/app:v1"),
        ("What a repository holds:", "regctl inspect team/app"),
    ],
    "regctl ls": [
        ("All repositories:", "regctl ls"),
        ("The tags of one:", "regctl ls team/app"),
    ],
    "regctl digest": [
        ("As sha512sum would, as a digest:", "regctl digest --algorithm sha512 layer.tar.gz"),
        ("As a registry of 2015 knew it:", "regctl digest --tarsum v1 layer.tar"),
    ],
    "regctl tag": [
        ("Make latest name what v1 names:", "regctl tag team/app:v1 latest"),
    ],
    "regctl untag": [
        ("See what would go, then remove it:", "regctl untag team/app:old --dry-run"),
    ],
    "regctl rm": [
        ("Remove a revision in a script:", f"regctl rm team/app@{_DIGEST} --yes"),
    ],
    "regctl history": [
        ("What a tag named before:", "regctl history team/app:latest"),
    ],
    "regctl rollback": [
        ("Move a tag back:", f"regctl rollback team/app:latest {_DIGEST}"),
    ],
    "regctl gc": [
        ("Remove stale uploads:", "regctl gc --yes"),
        (
            "See what no tag leads to, with the reason for each thing:",
            "regctl gc --untagged --dry-run -v",
        ),
        (
            "Every night beside a running registry, whose configuration says where the storage is:",
            "regctl --config /etc/docker/registry/config.yml gc --untagged --yes",
        ),
        (
            "At once and for good, while the registry is stopped or read-only:",
            f"{_STORAGE} gc --untagged --offline",
        ),
        (
            "Only test images, of which each tag keeps its last three:",
            "regctl gc --untagged --repo 'test/*' --keep-last 3",
        ),
    ],
    "regctl quarantine": [
        ("What was put aside:", "regctl quarantine"),
    ],
    "regctl quarantine purge": [
        ("Free the space of what nobody missed:", "regctl quarantine purge --older-than 7d --yes"),
    ],
    "regctl quarantine restore": [
        (
            "Put back what a run took away:",
            "regctl quarantine restore 20261123T214455.123Z-0f6a7f1d",
        ),
    ],
    "regctl why": [
        ("What keeps a layer:", f"regctl why {_DIGEST}"),
    ],
    "regctl unlock": [
        ("See who holds the lock, and remove it if it was left:", "regctl unlock"),
    ],
    "regctl uploads": [
        ("All uploads in progress:", "regctl uploads"),
        ("With the tokens that a registry takes:", "regctl uploads --tokens team/app"),
    ],
    "regctl uploads cancel": [
        ("Remove an upload:", f"regctl uploads cancel team/app {_UPLOAD}"),
    ],
    "regctl uploads finish": [
        (
            "Make what is stored a layer:",
            f"regctl uploads finish team/app {_UPLOAD} --digest {_DIGEST}",
        ),
    ],
    "regctl keygen": [
        ("Make release.key and release.pub:", "regctl keygen --output-prefix release"),
    ],
    "regctl sign": [
        (
            "Sign an image and, where it is an index, all images in it:",
            "regctl sign team/app:v1 --key cosign.key --recursive "
            "--registry-host registry.example.com",
        ),
        (
            "See what would be signed:",
            "regctl sign team/app:v1 --key cosign.key "
            "--registry-host registry.example.com:5000 --dry-run",
        ),
        ("Add a signature to a schema 1 manifest:", "regctl sign old/app:v1 --key libtrust.json"),
    ],
    "regctl verify": [
        (
            "Is everything signed by this key, and every layer what it should be?",
            "regctl verify --key cosign.pub --read-layers",
        ),
        (
            "What would nodes with this policy refuse?",
            "regctl verify --policy /etc/containers/policy.json "
            "--registry-host registry.example.com",
        ),
        (
            "One image in a CI job:",
            "regctl verify team/app:v1 --key cosign.pub --report junit=verify.xml",
        ),
    ],
    "regctl completion": [
        ("For this bash:", 'eval "$(regctl completion bash)"'),
    ],
}
