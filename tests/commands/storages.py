"""Which tests of the commands run on which kinds of storage: one table, by module and by test.

Every module has a line, and every test in it runs on just what its line says, or that of its
module: a test that does not fit is an error when tests are collected, so that nothing is left out
without a word.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests import trees

KINDS = ("filesystem", "s3", "gcs")
#: Where S3 stands for SeaweedFS, and moto for the server that is right in what that is wrong.
ON_MOTO = ("filesystem", "moto", "gcs")


@dataclass(frozen=True, slots=True)
class On:
    """The kinds of storage that a test runs on, and why not on the others."""

    kinds: tuple[str, ...]
    why: str = ""


EVERYWHERE = On(KINDS)


def _directory(why: str) -> On:
    return On(("filesystem",), why)


def _nowhere(why: str) -> On:
    return On((), why)


_EMPTIED = On(ON_MOTO, "SeaweedFS goes on listing prefixes that were emptied")
_NO_STORAGE = _nowhere("the command needs no storage")
_OWN_SERVERS = _nowhere("it has a server of its own for each case")
_ONLY_S3 = On(("s3",), "it is about what only S3 has")
_LINKS = _directory("symlinks, pipes and empty directories exist in directories only")
_REFUSED_EARLY = _directory("it is refused before the storage is asked for more than its root")
_TWENTY_FIFTEEN = _directory("it counts directories of the layout of 2015")
_KEYS = _directory("it is about keys and passphrases")
_SIGNED_CONTENT = _directory("it is about what is signed, of which each kind stores the same bytes")
_PROCESS = _directory("it is about the process and its streams")
_STATES = _directory("the hash state is looked for beside the data of a directory")

#: By module, or module and test: the test's own line counts.
TABLE: dict[str, On] = {
    "test_bad_input": EVERYWHERE,
    "test_bad_input::test_a_bad_repository_name_is_refused_by_every_command": _REFUSED_EARLY,
    "test_bad_input::test_a_bad_tag_is_refused": _REFUSED_EARLY,
    "test_bad_input::test_a_bad_digest_is_refused": _REFUSED_EARLY,
    "test_bad_input::test_a_digest_that_is_only_read_is_refused_for_writing": _REFUSED_EARLY,
    "test_bad_input::test_a_file_that_cannot_be_read": _REFUSED_EARLY,
    "test_bad_input::test_a_file_that_cannot_be_written": _REFUSED_EARLY,
    "test_bad_input::test_what_is_no_regular_file_is_never_replaced": _REFUSED_EARLY,
    "test_bad_input::test_a_file_whose_name_is_no_utf8": _REFUSED_EARLY,
    "test_bad_input::test_json_that_is_no_manifest": _REFUSED_EARLY,
    "test_bad_input::test_deeply_nested_json": _REFUSED_EARLY,
    "test_bad_input::test_doubled_and_differently_spelled_members": _REFUSED_EARLY,
    "test_bad_input::test_schema_1_is_refused": _REFUSED_EARLY,
    "test_bad_input::test_100_mb_are_no_manifest": _REFUSED_EARLY,
    "test_bad_input::test_100_mb_that_are_stored_as_a_manifest": _directory(
        "a file with a hole takes no time to write"
    ),
    "test_bad_input::test_something_else_in_the_place_of_a_file": _LINKS,
    "test_bad_storage": _OWN_SERVERS,
    "test_completion": _NO_STORAGE,
    "test_faults": _ONLY_S3,
    "test_gcs_faults": On(("gcs",), "as `test_faults`, with what Cloud Storage has"),
    "test_gc": EVERYWHERE,
    "test_gc::test_empty_repositories_disappear": _directory("nothing else has empty directories"),
    "test_gc::test_metrics_are_written_whole_and_also_of_a_run_that_failed": _directory(
        "the file is on this machine whatever the storage is"
    ),
    "test_gc::test_command_lines_that_cannot_be_right": _REFUSED_EARLY,
    "test_gc::test_no_quarantine_needs_to_know_the_registry": _directory(
        "it is about what the configuration says of the registry"
    ),
    "test_gc::test_a_scan_that_is_not_whole_is_refused": _LINKS,
    "test_gc::test_a_lock_that_is_held_is_respected": _directory("each kind has tests of its lock"),
    "test_gc::test_references_are_remembered_in_the_users_cache": _directory(
        "the cache is of what manifests say, and not of where they are"
    ),
    "test_keygen": _NO_STORAGE,
    "test_layers": EVERYWHERE,
    "test_layers::test_digest_needs_no_storage": _NO_STORAGE,
    "test_manifests": EVERYWHERE,
    "test_manifests::test_ls_warns_of_what_it_cannot_show": _LINKS,
    "test_object_storage": On(("s3", "gcs"), "a directory has no requests and hides nothing"),
    "test_object_storage::test_a_configuration_is_used": EVERYWHERE,
    "test_multipart": _ONLY_S3,
    "test_quarantine": EVERYWHERE,
    "test_schema1": EVERYWHERE,
    "test_schema1::test_what_is_refused": _REFUSED_EARLY,
    "test_schema1::test_keys_that_are_none": _KEYS,
    "test_schema1::test_a_key_is_for_schema_1": _KEYS,
    "test_sign": EVERYWHERE,
    "test_sign::test_every_kind_of_key_signs": _KEYS,
    "test_sign::test_the_name_that_is_signed_is_what_nodes_ask_for": _SIGNED_CONTENT,
    "test_sign::test_a_chain_lies_beside_the_signature": _KEYS,
    "test_sign::test_beside_the_signatures_of_skopeo_and_of_nobody": _directory(
        "one case for each of fifty images; the merging is the same"
    ),
    "test_sign::test_a_registry_serves_the_signatures": _directory(
        "Debian's registry is started on a directory; on S3 it is in tests/interop"
    ),
    "test_sign::test_schema_1_takes_no_ed25519_key": _KEYS,
    "test_sign::test_a_wrong_passphrase_is_said_and_not_shown": _KEYS,
    "test_sign::test_the_passphrase_is_asked_for_on_a_terminal": _KEYS,
    "test_sign::test_a_key_of_keygen_signs": _KEYS,
    "test_sign::test_refusals_change_nothing": _REFUSED_EARLY,
    "test_signals": EVERYWHERE,
    "test_signals::test_what_is_kept_has_a_state_for_a_registry_to_go_on_with": _STATES,
    "test_signals::test_a_relative_storage_is_absolute_in_the_printed_command": _directory(
        "a URL of a bucket is never relative"
    ),
    "test_signals::test_a_reader_that_leaves_is_141_and_no_word": _PROCESS,
    "test_storage_trouble": _directory("it mounts, and changes owners and permissions"),
    "test_streams": _PROCESS,
    "test_streams::test_a_pull_into_a_pipe_that_nobody_reads_can_be_terminated": EVERYWHERE,
    "test_table": _NO_STORAGE,
    "test_tags": EVERYWHERE,
    "test_tags::test_rm_of_what_a_tag_needs_is_refused": _EMPTIED,
    "test_tags::test_untag": _EMPTIED,
    "test_tags::test_history_marks_what_is_gone_and_what_is_equal": _directory(
        "nobody can set the times of objects"
    ),
    "test_tarsum": EVERYWHERE,
    "test_tarsum::test_digest_prints_tarsums": _NO_STORAGE,
    "test_tarsum::test_digest_warns_of_two_tarsums": _NO_STORAGE,
    "test_tarsum::test_digest_takes_one_kind": _NO_STORAGE,
    "test_tarsum::test_a_new_repository_in_a_tree_of_2015": _TWENTY_FIFTEEN,
    "test_terminal": _directory("it is about what is on the screen"),
    "test_trees": EVERYWHERE,
    "test_unlock": EVERYWHERE,
    "test_uploads": EVERYWHERE,
    "test_uploads::test_a_name_that_is_not_that_of_the_upload": _REFUSED_EARLY,
    "test_uploads::test_a_token_that_names_a_path_is_refused": _REFUSED_EARLY,
    "test_verify": EVERYWHERE,
    "test_verify::test_policy_says_what_skopeo_said": _SIGNED_CONTENT,
    "test_verify::test_what_a_policy_cannot_have_checked_is_refused": _SIGNED_CONTENT,
    "test_verify::test_what_cannot_be_read_counts_over_all": _LINKS,
    "test_verify::test_what_lies_behind_a_symlink_is_not_called_sound": _LINKS,
    "test_verify::test_what_cannot_be_right": _REFUSED_EARLY,
    "test_verify::test_jwk_of_ed25519": _KEYS,
    "test_verify::test_github_is_told_that_nothing_was_proved": _SIGNED_CONTENT,
    "test_why": EVERYWHERE,
}

#: The trees of real registries that are copied to each kind of storage. Copying and asking take
#: time there, and the registries wrote the same paths: between them S3 and GCS have one tree of
#: each sort.
TREES: dict[str, tuple[str, ...]] = {
    "filesystem": trees.NAMES,
    "s3": (
        "uploads-3",
        "old-2.4.1",
        "seed-basic",
        "damaged-stray-files-3",
        "damaged-tag-dangling-3",
        "damaged-layer-data-missing-3",
    ),
    "gcs": (
        "uploads-2.8.2",
        "schema1-2.8.2",
        "seed-deleted",
        "damaged-stray-files-2.8.2",
        "damaged-tag-no-current-2.8.2",
        "damaged-child-revision-missing-2.8.2",
    ),
}


def kinds_of(module: str, test: str) -> tuple[str, ...]:
    """What ``test`` of ``module`` (``test_layers``) runs on. Raises `KeyError` without a line."""
    line = TABLE.get(f"{module}::{test}") or TABLE[module]
    return line.kinds
