"""The services over one storage, each reached through a repository."""

from regctl.registry.registry import Registry
from regctl.registry.repository import Repository

__all__ = ["Registry", "Repository"]
