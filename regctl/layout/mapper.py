"""PathMapper: spec to path and path to spec, for the current layout and that of January 2015.

Both layouts are one table of templates; they differ in the names of four directories, and in
what a layer may be addressed by. Because repository names have slashes and the 2015 layout marks
its directories by plain words, a 2015 directory can mean several things: every candidate is
given. Files end in a literal that fixes the rest, so that they are never ambiguous.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum

from regctl.digest import Digest
from regctl.digest.digest import HEX_LENGTHS, TARSUM_LABELS
from regctl.errors import InvalidNameError, RegctlError
from regctl.layout import specs
from regctl.layout.names import RepositoryName, Tag, UploadId

#: The root of the tree below the storage's root directory.
LAYOUT_ROOT = "/docker/registry/v2"

_OFFSET = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_SHARD = re.compile(r"[0-9a-f]{2}", re.ASCII)


class Layout(Enum):
    """Which names the directories of a repository have."""

    #: Distribution 2.0 to 3.x: ``_manifests``, ``_layers``, ``_uploads``.
    CURRENT = "current"
    #: The registry of January 2015: ``manifests``, ``layers``, ``uploads``, no hash states.
    Y2015 = "2015"


class PathMapper:
    """The paths of one layout. Stateless and cheap to share."""

    def __init__(self, layout: Layout = Layout.CURRENT) -> None:
        self.layout = layout
        self._markers = {
            plain: f"_{plain}" if layout is Layout.CURRENT else plain
            for plain in ("manifests", "layers", "uploads")
        }
        self._plain = {marker: plain for plain, marker in self._markers.items()}
        self._spelled = {kind: self._spell(*spelled) for kind, spelled in _TEMPLATES.items()}

    def _spell(self, top: str, template: _Template) -> _Spelled:
        """``template`` below the directory ``top`` of the tree, with this layout's markers."""
        tokens = (top, _NAME, *template) if top else template
        text = "".join(
            "/%s" if isinstance(token, _Field) else f"/{self._markers.get(token, token)}"
            for token in tokens
        )
        fields = (token for token in tokens if isinstance(token, _Field))
        return LAYOUT_ROOT + text, tuple((each.attribute, each.encode) for each in fields)

    def path(self, spec: specs.Spec) -> str:
        """The path of ``spec``, without a slash at its end."""
        spelled = self._spelled.get(type(spec))
        if spelled is None:
            assert isinstance(spec, specs.Intermediate | specs.Foreign), f"{spec} has no template"
            return spec.path
        text, fields = spelled
        return text % tuple([encode(getattr(spec, name)) for name, encode in fields])

    def parse_file(self, path: str) -> specs.Spec:
        """What the file at ``path`` is: one spec, `Foreign` if the layout has no place for it."""
        found = next(self._matches(path, _FILES), None)
        return specs.Foreign(path) if found is None else found

    def parse_directory(self, path: str) -> tuple[specs.Spec, ...]:
        """All that the directory at ``path`` can be; never empty, one spec in the current layout.

        In the 2015 layout ``repositories/a/layers`` is the layers of ``a`` as well as a
        repository ``a/layers``: which, only what lies in it can tell.
        """
        found = tuple(self._matches(path, _DIRECTORIES))
        if found:
            return found
        between = self._is_intermediate(path)
        return (specs.Intermediate(path) if between else specs.Foreign(path),)

    def _matches(self, path: str, templates: _Templates) -> Iterator[specs.Spec]:
        parts = below_root(path)
        if parts is None:
            return
        for name, tail in self._splits(parts):
            for spec_type, template in templates.get(tail[0] if tail else "", ()):
                values = _match(template, tail)
                if values is not None and self._allowed(spec_type, values):
                    if name is not None:
                        values["name"] = name
                    # The mapper's own inverse is the last word: a spec is only ever given for
                    # the very path it stands for.
                    spec = spec_type(**values)
                    if self.path(spec) == path:
                        yield spec

    def _splits(self, parts: list[str]) -> Iterator[tuple[RepositoryName | None, list[str]]]:
        """Every way to part a path into a repository's name and the rest, marker spelled plain."""
        if not parts or parts[0] != "repositories":
            if not parts or parts[0] not in _MARKERS:
                yield None, parts or ["."]
            return
        if len(parts) == 1:
            yield None, parts
            return
        for at in range(2, len(parts) + 1):
            marker = parts[at] if at < len(parts) else None
            if marker is not None and marker not in self._plain:
                continue
            name = name_or_none("/".join(parts[1:at]))
            if name is not None:
                tail = [self._plain[marker], *parts[at + 1 :]] if marker else []
                yield name, tail

    def _allowed(self, spec_type: type[specs.Spec], values: dict[str, object]) -> bool:
        if self.layout is Layout.CURRENT:
            return True
        if spec_type in (specs.HashState, specs.HashStates, specs.HashStatesOf):
            return False
        digest = values.get("digest")
        if spec_type in (specs.LayerLink, specs.LayerDirectory):
            return isinstance(digest, Digest) and digest.is_tarsum
        return True

    def _is_intermediate(self, path: str) -> bool:
        parts = below_root(path)
        if parts is None:
            return LAYOUT_ROOT.startswith(path.rstrip("/") + "/")
        return any(
            _is_prefix(template, tail)
            for _, tail in self._splits(parts)
            for _, template in _FILES.get(tail[0] if tail else "", ())
        )


_MARKERS = frozenset({"manifests", "layers", "uploads"})


def below_root(path: str) -> list[str] | None:
    """The components of ``path`` below the root of the tree; None if it is not there."""
    if path == LAYOUT_ROOT:
        return []
    if not path.startswith(LAYOUT_ROOT + "/"):
        return None
    return path[len(LAYOUT_ROOT) + 1 :].split("/")


def name_or_none(text: str) -> RepositoryName | None:
    """The repository name that ``text`` writes, if it writes one."""
    try:
        return RepositoryName.parse(text)
    except InvalidNameError:
        return None


# --- templates -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """One attribute of a spec, as one or more components of a path."""

    attribute: str
    encode: Callable[[object], str]
    #: Gives None where the components are no such thing; never raises.
    decode: Callable[[Sequence[str]], object | None]
    widths: tuple[int, ...] = (1,)


def _algorithm_path(digest: Digest) -> str:
    algorithm = digest.algorithm
    if algorithm != "sha256" and digest.is_tarsum:
        return f"tarsum/{digest.tarsum_version}/{digest.hash_name}"
    return algorithm


def _digest_path(digest: object) -> str:
    assert isinstance(digest, Digest)
    return f"{_algorithm_path(digest)}/{digest.hex}"


def _digest_of(parts: Sequence[str]) -> Digest | None:
    if len(parts) == 4:
        label = TARSUM_LABELS.get(parts[1]) if parts[0] == "tarsum" else None
        algorithm = f"{label}+{parts[2]}" if label else ""
    else:
        algorithm = parts[0]
    try:
        return Digest.parse(f"{algorithm}:{parts[-1]}")
    except RegctlError:
        return None


def _blob_path(digest: object) -> str:
    assert isinstance(digest, Digest)
    return f"{_algorithm_path(digest)}/{digest.hex[:2]}/{digest.hex}"


def _blob_of(parts: Sequence[str]) -> Digest | None:
    if not _SHARD.fullmatch(parts[-2]) or not parts[-1].startswith(parts[-2]):
        return None
    return _digest_of([*parts[:-2], parts[-1]])


def _offset_of(parts: Sequence[str]) -> int | None:
    return int(parts[0]) if _OFFSET.fullmatch(parts[0]) else None


def _algorithm_of(parts: Sequence[str]) -> str | None:
    return parts[0] if parts[0] in HEX_LENGTHS else None


def _parsed(parse: Callable[[str], object]) -> Callable[[Sequence[str]], object | None]:
    def decode(parts: Sequence[str]) -> object | None:
        try:
            return parse(parts[0])
        except InvalidNameError:
            return None

    return decode


def _digest_field(attribute: str) -> _Field:
    return _Field(attribute, _digest_path, _digest_of, (2, 4))


_NAME = _Field("name", str, _parsed(RepositoryName.parse))
_BLOB = _Field("digest", _blob_path, _blob_of, (3, 5))
_DIGEST = _digest_field("digest")
_REVISION = _digest_field("revision")
_SIGNATURE = _digest_field("signature")
_TAG = _Field("tag", str, _parsed(Tag.parse))
_UPLOAD = _Field("upload", str, _parsed(UploadId.parse))
_ALGORITHM = _Field("algorithm", str, _algorithm_of)
_STATE_OFFSET = _Field("offset", str, _offset_of)

_Template = tuple[str | _Field, ...]
#: A path with ``%s`` for each field, and the fields: attribute, and what makes a text of it.
_Spelled = tuple[str, tuple[tuple[str, Callable[[object], str]], ...]]
_Templates = dict[str, list[tuple[type[specs.Spec], _Template]]]

_REVISION_PATH: _Template = ("manifests", "revisions", _REVISION)
_TAG_PATH: _Template = ("manifests", "tags", _TAG)
_UPLOAD_PATH: _Template = ("uploads", _UPLOAD)

#: For each spec: the directory of the tree it lies in, and what follows the repository's name.
_FILE_TEMPLATES: dict[type[specs.Spec], tuple[str, _Template]] = {
    specs.BlobData: ("", ("blobs", _BLOB, "data")),
    specs.LayerLink: ("repositories", ("layers", _DIGEST, "link")),
    specs.RevisionLink: ("repositories", (*_REVISION_PATH, "link")),
    specs.SignatureLink: ("repositories", (*_REVISION_PATH, "signatures", _SIGNATURE, "link")),
    specs.TagCurrentLink: ("repositories", (*_TAG_PATH, "current", "link")),
    specs.TagIndexEntryLink: ("repositories", (*_TAG_PATH, "index", _REVISION, "link")),
    specs.UploadData: ("repositories", (*_UPLOAD_PATH, "data")),
    specs.UploadStartedAt: ("repositories", (*_UPLOAD_PATH, "startedat")),
    specs.HashState: ("repositories", (*_UPLOAD_PATH, "hashstates", _ALGORITHM, _STATE_OFFSET)),
}
_DIRECTORY_TEMPLATES: dict[type[specs.Spec], tuple[str, _Template]] = {
    specs.Root: ("", ()),
    specs.Blobs: ("", ("blobs",)),
    specs.BlobDirectory: ("", ("blobs", _BLOB)),
    specs.Repositories: ("", ("repositories",)),
    specs.RepositoryDirectory: ("repositories", ()),
    specs.Manifests: ("repositories", ("manifests",)),
    specs.Revisions: ("repositories", ("manifests", "revisions")),
    specs.RevisionDirectory: ("repositories", _REVISION_PATH),
    specs.Signatures: ("repositories", (*_REVISION_PATH, "signatures")),
    specs.SignatureDirectory: ("repositories", (*_REVISION_PATH, "signatures", _SIGNATURE)),
    specs.Tags: ("repositories", ("manifests", "tags")),
    specs.TagDirectory: ("repositories", _TAG_PATH),
    specs.TagCurrent: ("repositories", (*_TAG_PATH, "current")),
    specs.TagIndex: ("repositories", (*_TAG_PATH, "index")),
    specs.TagIndexEntryDirectory: ("repositories", (*_TAG_PATH, "index", _REVISION)),
    specs.Layers: ("repositories", ("layers",)),
    specs.LayerDirectory: ("repositories", ("layers", _DIGEST)),
    specs.Uploads: ("repositories", ("uploads",)),
    specs.UploadDirectory: ("repositories", _UPLOAD_PATH),
    specs.HashStates: ("repositories", (*_UPLOAD_PATH, "hashstates")),
    specs.HashStatesOf: ("repositories", (*_UPLOAD_PATH, "hashstates", _ALGORITHM)),
}
_TEMPLATES = _FILE_TEMPLATES | _DIRECTORY_TEMPLATES


def _by_first(table: dict[type[specs.Spec], tuple[str, _Template]]) -> _Templates:
    """The templates by their first literal, so that a path is tried against few of them."""
    found: _Templates = {}
    for spec_type, (_, template) in table.items():
        first = template[0] if template else "." if spec_type is specs.Root else ""
        assert isinstance(first, str)
        found.setdefault(first, []).append((spec_type, template or ((".",) if first else ())))
    return found


_FILES = _by_first(_FILE_TEMPLATES)
_DIRECTORIES = _by_first(_DIRECTORY_TEMPLATES)


def _match(template: _Template, parts: Sequence[str]) -> dict[str, object] | None:
    """The attributes that make ``template`` give exactly ``parts``, or None."""
    if not template:
        return {} if not parts else None
    token, rest = template[0], template[1:]
    if isinstance(token, str):
        return _match(rest, parts[1:]) if parts and parts[0] == token else None
    for width in token.widths:
        if len(parts) < width:
            continue
        value = token.decode(parts[:width])
        if value is not None:
            values = _match(rest, parts[width:])
            if values is not None:
                return {token.attribute: value, **values}
    return None


def _is_prefix(template: _Template, parts: Sequence[str]) -> bool:
    """Whether ``parts`` is a beginning of what ``template`` can give."""
    if not parts:
        return True
    if not template:
        return False
    token, rest = template[0], template[1:]
    if isinstance(token, str):
        return parts[0] == token and _is_prefix(rest, parts[1:])
    for width in token.widths:
        if len(parts) >= width and token.decode(parts[:width]) is not None:
            return _is_prefix(rest, parts[width:])
    return _begins_digest(parts) if max(token.widths) > 1 and len(parts) < 5 else False


def _begins_digest(parts: Sequence[str]) -> bool:
    """Whether ``parts`` are an algorithm, perhaps the two digits of a shard, and no digest yet."""
    if parts[0] == "tarsum":
        rest = parts[1:]
        return not rest or (
            rest[0] in TARSUM_LABELS and (len(rest) == 1 or _begins_digest(rest[1:]))
        )
    return parts[0] in HEX_LENGTHS and (
        len(parts) == 1 or (len(parts) == 2 and bool(_SHARD.fullmatch(parts[1])))
    )
