"""Fixtures for all tests."""

from __future__ import annotations

from tests.servers.fixtures import registry_server, skopeo

__all__ = ["registry_server", "skopeo"]
