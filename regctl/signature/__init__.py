"""Signatures: keys, libtrust's signed documents, cosign, policies. Bytes in, verdicts out.

Nothing is imported here: what needs ``cryptography`` is loaded only by those who use it.
"""
