"""Digests: the value, verifiers that check while streaming, and the resumable SHA-256."""

from regctl.digest.digest import Digest
from regctl.digest.verifier import MultiHasher, Verifier, hasher

__all__ = ["Digest", "MultiHasher", "Verifier", "hasher"]
