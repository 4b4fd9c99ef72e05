from __future__ import annotations

import pytest

from tests.signature.cosign.samples import Image, read_images


@pytest.fixture(scope="session")
def cosign_images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """The images of the vectors, read out of their storage tree."""
    return read_images(tmp_path_factory.mktemp("cosign"))
