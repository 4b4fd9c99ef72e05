"""Tags that are made of a digest: what hangs on that manifest, its cosign signatures above all.

Source: cosign's signature specification; OCI distribution specification, "Referrers Tag Schema".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from regctl.digest import Digest
from regctl.digest.digest import HEX_LENGTHS
from regctl.errors import UnsupportedDigestError
from regctl.layout import Tag

#: What cosign hangs on a manifest by a tag: signatures, attestations, lists of contents.
SUFFIXES = (".sig", ".att", ".sbom")
_ATTACHED = re.compile(r"(sha256|sha384|sha512)-([0-9a-f]{64,128})(\.sig|\.att|\.sbom)?", re.ASCII)
#: The length to which the tag of the OCI referrers scheme cuts a digest's hex.
_CUT = 64
_MAX_TAG = 128


@dataclass(frozen=True, slots=True)
class AttachedTag:
    """A tag that is made of a digest: what hangs on that manifest.

    ``suffix`` is one of `SUFFIXES`, or empty for the tag of the OCI referrers scheme, where
    ``hex`` may be cut short. Source: OCI distribution specification, "Referrers Tag Schema".
    """

    algorithm: str
    hex: str
    suffix: str

    @property
    def digest(self) -> Digest | None:
        """The manifest that it hangs on; None where the tag does not hold all of the digest."""
        if len(self.hex) != HEX_LENGTHS[self.algorithm]:
            return None
        return Digest.parse(f"{self.algorithm}:{self.hex}")


def parse_attached_tag(tag: Tag) -> AttachedTag | None:
    """What ``tag`` hangs on, if it has the form ``<algorithm>-<hex>`` with or without a suffix."""
    match = _ATTACHED.fullmatch(tag.value)
    if match is None:
        return None
    algorithm, hex_digits, suffix = match[1], match[2], match[3] or ""
    if len(hex_digits) not in {HEX_LENGTHS[algorithm], _CUT}:
        return None
    return AttachedTag(algorithm, hex_digits, suffix)


def signature_tag(digest: Digest) -> Tag:
    """The tag that names the signatures of ``digest``.

    Raises `UnsupportedDigestError` where there can be none: with sha512 it would be too long.
    """
    digest.require_writable()
    text = f"{digest.algorithm}-{digest.hex}.sig"
    if len(text) > _MAX_TAG:
        raise UnsupportedDigestError(
            f"there is no tag for the signatures of {digest}: it would have {len(text)} "
            f"characters, and {_MAX_TAG} are allowed"
        )
    return Tag.parse(text)
