"""TarSum: the digest of an archive's entries, in whatever order and form they are written.

Registries of January 2015 knew layers by it (``tarsum.v1+sha256:...``). It is read here as they
read it: with a tar reader that follows theirs, which differs from every later one in what it takes
for an entry, a name, a number and an end. Source: Docker's ``pkg/tarsum``, and the copy of Go's
``archive/tar`` that it was built with.
"""

from regctl.digest.tarsum.errors import InvalidArchiveError
from regctl.digest.tarsum.limits import DEFAULT_LIMITS, Limits
from regctl.digest.tarsum.sum import VERSIONS, TarSum

__all__ = ["DEFAULT_LIMITS", "VERSIONS", "InvalidArchiveError", "Limits", "TarSum"]
