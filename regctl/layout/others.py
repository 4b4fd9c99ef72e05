"""Marks that registries leave when the tree alone does not say what they need of it."""

from __future__ import annotations

#: GitLab's registry writes this when tags and manifests are in its metadata database. Source: its
#: ``registry/storage/driver/internal`` and the documentation of the metadata database.
GITLAB_DATABASE = "/docker/registry/lockfiles/database-in-use"
#: A pull-through cache keeps here when it will throw away what. Source: Distribution,
#: ``registry/proxy/proxyregistry.go``.
PULL_THROUGH_CACHE = "/scheduler-state.json"
