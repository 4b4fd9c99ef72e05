"""Digests: the value, verifiers that check while streaming, and the resumable SHA-256."""

from regctl.digest.digest import LAYER_TARSUM, Digest
from regctl.digest.verifier import MultiHasher, Verifier, hasher

__all__ = ["LAYER_TARSUM", "Digest", "MultiHasher", "Verifier", "hasher"]
