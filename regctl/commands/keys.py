"""Key files on the command line: read, and opened with a passphrase where they need one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from regctl.errors import InputFileError

if TYPE_CHECKING:
    from regctl.commands.base import App
    from regctl.signature import libtrust
    from regctl.signature.keyfile import PrivateKey

#: Where cosign takes a passphrase from. Set to nothing it is the empty passphrase.
VARIABLE = "COSIGN_PASSWORD"


def read_small_file(file: str) -> bytes:
    """The content of a file of keys or certificates. Raises `InputFileError`."""
    from regctl.registry.localfile import FileSource  # noqa: PLC0415
    from regctl.signature.keyfile_pem import MAX_BYTES  # noqa: PLC0415

    with FileSource.open(file) as source:
        content = source.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputFileError(f"{file} has more than {MAX_BYTES} bytes: it holds no key")
    return content


def given_passphrase(app: App) -> bytes | None:
    """The passphrase in the environment; None if it is not set."""
    text = app.environ.get(VARIABLE)
    return None if text is None else os.fsencode(text)


def load_cosign_key(app: App, file: str, content: bytes) -> PrivateKey:
    """The private key in ``content``, asking for its passphrase where none is given.

    Raises `KeyFileError`, which names ``file``, and `UsageError` if nobody can be asked.
    """
    from regctl.signature.keyfile import (  # noqa: PLC0415
        KeyFileError,
        load_private_key,
        needs_passphrase,
    )
    from regctl.terminal.passphrase import ask_passphrase  # noqa: PLC0415

    try:
        passphrase = None
        if needs_passphrase(content):
            passphrase = given_passphrase(app)
            if passphrase is None:
                passphrase = ask_passphrase(app.output, f"Passphrase of {file}")
        return load_private_key(content, passphrase)
    except KeyFileError as error:
        raise type(error)(f"the key {file}: {error.message}", hint=error.hint) from error


def load_libtrust_key(app: App, file: str, content: bytes) -> libtrust.PrivateKey:
    """The private key in ``content`` as libtrust takes it, which is by the file's name.

    Keys in a form that libtrust does not know, cosign's among them, are taken too. Raises as
    `load_cosign_key`.
    """
    from regctl.signature import libtrust  # noqa: PLC0415
    from regctl.signature.keyfile import KeyFileError  # noqa: PLC0415

    try:
        return libtrust.read_private(file, content)
    except libtrust.InvalidKeyError as error:
        if file.endswith((".json", ".jwk")):
            raise KeyFileError(f"the key {file}: {error.message}", hint=error.hint) from error
    try:
        return libtrust.read_private("", load_cosign_key(app, file, content).traditional_pem())
    except libtrust.InvalidKeyError as error:
        raise KeyFileError(f"the key {file}: {error.message}", hint=error.hint) from error
