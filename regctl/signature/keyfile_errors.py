"""Why a key file is refused. No message holds a passphrase or any part of a key."""

from __future__ import annotations

from regctl.errors import UsageError


class KeyFileError(UsageError):
    """A file holds no key that can be used."""

    code = "key-file"


class PassphraseNeededError(KeyFileError):
    """A private key is encrypted, and no passphrase was given."""

    code = "passphrase-needed"


class WrongPassphraseError(KeyFileError):
    """A private key does not open with the passphrase that was given."""

    code = "wrong-passphrase"
