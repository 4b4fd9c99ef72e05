"""Uploads with several beginnings in S3: what is told of them is what a writer goes on with."""

from __future__ import annotations

from regctl.drivers.checked import CheckedDriver
from regctl.drivers.s3.driver import open_s3
from regctl.drivers.s3.multipart import MultipartUpload
from tests.registry.storages import begun, data_path, fill, uploads_of

CONTENT = bytes(range(250)) * 4


def test_begun_twice(s3_parameters: dict[str, object]) -> None:
    """An answer that was lost leaves an upload without parts, which may be listed first."""
    driver = open_s3(s3_parameters, 4)
    checked = CheckedDriver(driver)
    repository = fill(checked)
    upload = begun(repository, CONTENT, 256)
    for _ in range(3):
        MultipartUpload.start(driver.store, data_path(upload))
    uploads = uploads_of(repository, 256)
    assert [info.size for info in uploads.list()] == [len(CONTENT)]
    assert uploads.get(upload).size == len(CONTENT)
    uploads.cancel(upload)
    assert not list(uploads.list())


def test_died_while_it_began_again(s3_parameters: dict[str, object]) -> None:
    """The object is the content, and the upload beside it has nothing yet."""
    driver = open_s3(s3_parameters, 4)
    checked = CheckedDriver(driver)
    repository = fill(checked)
    upload = begun(repository, CONTENT, 256)
    path = data_path(upload)
    with driver.writer(path, append=True) as writer:
        writer.commit()
    MultipartUpload.start(driver.store, path)
    assert uploads_of(repository, 256).get(upload).size == len(CONTENT)
    with checked.writer(path, append=True) as writer:
        assert writer.size == len(CONTENT)
