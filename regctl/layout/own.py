"""What regctl keeps for itself: beside the registry's tree, where no registry looks."""

from __future__ import annotations

import hashlib

from regctl.layout.names import RepositoryName, Tag

_LOCKS = "/regctl/locks"


def tag_lock(repository: RepositoryName, tag: Tag) -> str:
    """The file that whoever rewrites what ``tag`` names has open for writing meanwhile.

    Its name is a hash: a repository's name may be longer than a file's.
    """
    return f"{_LOCKS}/{hashlib.sha256(f'{repository}:{tag}'.encode()).hexdigest()}"
