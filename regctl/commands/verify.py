"""verify: audit content and signatures, for CI."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

import click

from regctl.commands.base import App, complete_file, define, pass_app
from regctl.errors import InputFileError, UsageError

if TYPE_CHECKING:
    from regctl.terminal.reports import Check

_HELP = """Check that what the storage holds is whole, and signed by whom it should be.

Without REF everything is checked; REF is REPO, REPO:TAG or REPO@DIGEST. For each tag the
manifest, its children and its layers must be there, linked, and what they are said to be.
Signatures are those of cosign (the tag sha256-HEX.sig), and of schema 1 those beside the manifest.

The verdict is trusted (signed by a named key, or below a named authority), signed (valid by a key
that it carries, which nobody named), unknown-key (for this manifest, but by no key that was named:
it may be anybody's), unsigned, invalid (malformed, not verified, or for another manifest,
repository or tag), broken (content is missing or wrong) or unchecked (it could not be checked).

One good signature of cosign's is enough; of schema 1 all must verify. What hangs on another
manifest by its tag (sha256-HEX, with or without .sig, .att, .sbom) is checked for its content, and
not judged unless it is named. With --policy a reference is what nodes with that policy.json would
make of it, which know this storage by --registry-host; what cannot be checked here (GPG, Fulcio)
is refused. Without any of --key, --ca, --key-id and --policy nothing is proved.

Exit code 0 if everything is as required, 1 if anything is not, 3 if a REF is not there, 5 if
something could not be read.
"""

_RULES = {
    "trusted": "Trusted, and yet not what the policy asks for",
    "signed": "Signed by a key that nobody named",
    "unknown-key": "Signed by no key that was named",
    "unsigned": "Not signed",
    "invalid": "A signature is invalid, or for something else",
    "broken": "Content is missing or wrong",
    "unchecked": "Could not be checked",
}


@define("verify", "Check content and signatures, for CI.", help=_HELP)
@click.argument("references", metavar="[REF]...", nargs=-1)
@click.option(
    "--key",
    "keys",
    metavar="FILE",
    multiple=True,
    shell_complete=complete_file,
    help="Trust this public key, PEM or JWK.  [may be repeated]",
)
@click.option(
    "--ca",
    "authorities",
    metavar="FILE",
    multiple=True,
    shell_complete=complete_file,
    help="Trust certificates below those in this PEM file.  [may be repeated]",
)
@click.option(
    "--key-id",
    "key_ids",
    metavar="ID",
    multiple=True,
    help="Trust the libtrust key of this id, for schema 1.  [may be repeated]",
)
@click.option(
    "--policy",
    metavar="FILE",
    shell_complete=complete_file,
    help="Judge as nodes with this policy.json do; needs --registry-host.",
)
@click.option(
    "--registry-host",
    metavar="HOST[:PORT]",
    help="The host by which clients know this storage; with --key, signed names must have it.",
)
@click.option(
    "--require",
    type=click.Choice(["trusted", "signed", "present"]),
    help="What is enough; present is trusted, signed or unknown-key.  "
    "[default: trusted, or present if nobody is trusted]",
)
@click.option("--all-revisions", is_flag=True, help="Check every revision, not only the tags.")
@click.option("--read-layers", is_flag=True, help="Read all layers, and check their digests.")
@click.option("--recursive", is_flag=True, help="Judge the children of indexes too.")
@click.option(
    "--report",
    "reports",
    metavar="KIND=FILE",
    multiple=True,
    help="Write a report: junit=FILE, sarif=FILE.  [may be repeated]",
)
@click.option("--github", is_flag=True, help="Say on standard error what GitHub shows as errors.")
@pass_app
def command(
    app: App,
    references: tuple[str, ...],
    keys: tuple[str, ...],
    authorities: tuple[str, ...],
    key_ids: tuple[str, ...],
    policy: str | None,
    registry_host: str | None,
    require: str | None,
    all_revisions: bool,
    read_layers: bool,
    recursive: bool,
    reports: tuple[str, ...],
    github: bool,
) -> None:
    """Check content and signatures."""
    from regctl.commands.auditing import Run  # noqa: PLC0415
    from regctl.commands.trusting import key_judge, policy_judge  # noqa: PLC0415
    from regctl.layout import Reference  # noqa: PLC0415
    from regctl.maintenance.audit import Audit, Options  # noqa: PLC0415

    wanted = [Reference.parse(each) for each in references]
    if policy is not None:
        if keys or authorities or key_ids:
            raise UsageError("--policy says whom to trust: it goes without --key, --ca, --key-id")
        judging = policy_judge(policy, registry_host, require)
    else:
        judging = key_judge(keys, authorities, key_ids, registry_host, require)
    with ExitStack() as stack:
        files = [_open_report(stack, each) for each in reports]
        registry = app.registry()
        # On a local disk threads only wait for each other, save where they hash.
        jobs = 1 if registry.driver.name == "filesystem" and not read_layers else app.jobs
        options = Options(all_revisions, read_layers, recursive, jobs)
        audit = Audit(registry, judging.judge, options)
        plan = audit.plan(wanted)
        for remark in (*plan.remarks, *plan.unseen):
            app.output.warning(remark)
        run = Run(app, github=github, keep=bool(files))
        run.summary.unreadable += len(plan.unseen)
        run.show(plan, audit.run(plan.targets), judging.proves, judging.required)
        for kind, file in files:
            file.write(_report(kind, run.checks))
    if run.summary.exit_code:
        raise click.exceptions.Exit(run.summary.exit_code)


def _open_report(stack: ExitStack, text: str) -> tuple[str, BinaryIO]:
    """The report's kind, and its file, opened before anything is done: it must be writable."""
    kind, equals, path = text.partition("=")
    if kind not in ("junit", "sarif") or not equals or not path:
        raise UsageError(f"--report {text!r} is neither junit=FILE nor sarif=FILE")
    try:
        return kind, stack.enter_context(open(path, "wb"))
    except (OSError, ValueError) as error:
        raise InputFileError(f"cannot write the report {path}: {_why(error)}") from error


def _report(kind: str, checks: list[Check]) -> bytes:
    from regctl import __version__  # noqa: PLC0415
    from regctl.terminal.reports import junit, sarif  # noqa: PLC0415

    if kind == "junit":
        return junit(checks, "regctl verify")
    return sarif(checks, version=__version__, rules=_RULES, fingerprint="regctlReference/v1")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
