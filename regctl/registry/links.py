"""Links: small files that hold a digest as text, and so make content part of a repository."""

from __future__ import annotations

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.errors import DamagedError, RegctlError

#: No digest is longer (``tarsum.dev+sha512:`` and 128 digits); a longer file is no link.
_MAX_LINK_BYTES = 160


class DamagedLinkError(DamagedError):
    """A link file does not hold exactly one digest, or not the one that its path says."""

    code = "damaged-link"


def read_link(driver: StorageDriver, path: str, *, named: Digest | None = None) -> Digest:
    """The digest that the link file at ``path`` holds.

    ``named`` is the digest in the path. Where it is a sha256 digest the content must say the
    same; under any other the content counts (an upload with a sha512 digest, or a TarSum in
    registry 2.0, is stored and linked to under its sha256 digest).

    Raises `PathNotFoundError`; `DamagedLinkError` for an empty file, a newline, anything that is
    no digest, or a disagreement with the path. Source: Distribution, ``linkedblobstore.go``.
    """
    content = driver.get(path, _MAX_LINK_BYTES)
    if named is not None and content == str(named).encode("ascii"):
        return named  # as nearly every link: nothing is left to be found out
    digest = _parse(path, content)
    if named is not None and named.algorithm == "sha256" and digest != named:
        raise DamagedLinkError(f"the link {path} says {digest}, which disagrees with its path")
    return digest


def write_link(driver: StorageDriver, path: str, digest: Digest) -> None:
    """Make the file at ``path`` a link to ``digest``, anew even if it is one already.

    Writing it again gives it the present time, which keeps collectors with an age limit off.
    """
    driver.put(path, str(digest).encode("ascii"))


def _parse(path: str, content: bytes) -> Digest:
    if not content:
        raise DamagedLinkError(f"the link {path} is empty")
    if content != content.strip():
        raise DamagedLinkError(
            f"the link {path} has white space or a newline around its digest",
            hint="registries refuse such a link; write it again without the newline",
        )
    try:
        return Digest.parse(content.decode("ascii"))
    except (UnicodeDecodeError, RegctlError) as error:
        raise DamagedLinkError(f"the link {path} holds no digest: {content[:100]!r}") from error
