"""Tags that are about a manifest: cosign's, and those of referrers, by the form of their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regctl.layout import Tag
from regctl.maintenance.inventory.content import RepositoryContent, TagContent
from regctl.maintenance.inventory.reader import Reads
from regctl.maintenance.inventory.references import NumberedReferences
from regctl.maintenance.inventory.table import DigestTable
from regctl.manifest import ManifestKind
from regctl.signature.cosign_tags import parse_attached_tag


class AttachedTags:
    """The tags of one repository that hang on a manifest, once they were looked for."""

    def __init__(self, content: RepositoryContent, table: DigestTable, reads: Reads) -> None:
        self._content = content
        self._table = table
        self._read = reads
        #: By tag the number of what it hangs on; None where this storage has never heard of that.
        self._subjects: dict[Tag, int | None] = {}
        self._by_subject: dict[int, list[Tag]] = {}

    def find(self) -> None:
        """Look for them. Before that there are none.

        A tag that names the very manifest whose digest it is made of is none: mirrors name
        manifests so. Nor is one that does not say what it names, and one without suffix unless it
        names an index, all entries of which are about the manifest, as far as they can be read.
        """
        for tag, found in self._content.tags.items():
            attached = parse_attached_tag(tag)
            if attached is None or attached.digest is None or found.current is None:
                continue
            subject = self._table.find(attached.digest)
            if found.current == subject or not (attached.suffix or self._refers(found, subject)):
                continue
            self._subjects[tag] = subject
            if subject is not None:
                self._by_subject.setdefault(subject, []).append(tag)

    def _refers(self, found: TagContent, subject: int | None) -> bool:
        """Whether the tag names an index of referrers of ``subject``."""
        assert found.current is not None
        index = self._read(found.current)
        if not isinstance(index, NumberedReferences) or index.kind is not ManifestKind.INDEX:
            return False
        if index.possible:
            return False  # all referrers are manifests
        entries = [self._read(child) for child in index.children]
        return all(
            subject in entry.subjects for entry in entries if isinstance(entry, NumberedReferences)
        )

    def __contains__(self, tag: Tag) -> bool:
        return tag in self._subjects

    def of(self, subject: int) -> Sequence[Tag]:
        """The tags that hang on the manifest ``subject``."""
        return self._by_subject.get(subject, ())

    def revisions(self) -> Iterator[int]:
        """All that these tags name, or have named, by number."""
        for tag in self._subjects:
            found = self._content.tags[tag]
            yield from found.index
            if found.current is not None:
                yield found.current
