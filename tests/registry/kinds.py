"""Which tests of the services run on which storages: one table of those that run on fewer.

All tests that take the fixture ``driver`` run on every storage, those on servers included, but
for the lines here. A test that makes its own storage is not concerned.
"""

from __future__ import annotations

KINDS = ("memory", "filesystem", "objects", "s3", "gcs")
#: Without servers: S3 and GCS cost some milliseconds a request.
LOCAL = ("memory", "filesystem", "objects")
_PARSED = (LOCAL, "cases of what is parsed once it was read; others of the module are on servers")
_ON_MOTO = (*LOCAL, "moto", "gcs")
_EMPTIED = (_ON_MOTO, "SeaweedFS goes on listing prefixes that were emptied")

#: By module, or module and test (whose own line counts): the storages, and why not the others.
FEWER: dict[str, tuple[tuple[str, ...], str]] = {
    "test_content::test_a_damaged_link": _PARSED,
    "test_direct": (
        ("objects", "s3"),
        "only what seals is sent to directly, and nothing else does",
    ),
    "test_removal::test_a_kept_history_is_no_need": _EMPTIED,
    "test_removal::test_tags_go_before_the_revision": _EMPTIED,
    "test_resume::test_a_state_that_is_none_is_passed_over": _PARSED,
    "test_tags::test_removing_a_tag_leaves_no_directory": _EMPTIED,
    "test_uploads::test_a_start_that_is_no_time_is_damage": _PARSED,
    "test_uploads::test_cancel_removes_everything": _EMPTIED,
}


def kinds_of(module: str, test: str) -> tuple[str, ...]:
    """The storages that ``test`` of ``module`` (``test_tags``) runs on."""
    line = FEWER.get(f"{module}::{test}") or FEWER.get(module)
    return line[0] if line else KINDS
