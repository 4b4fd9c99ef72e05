"""Reports of checks for CI systems: JUnit's XML, SARIF 2.1.0, and GitHub's annotations.

JUnit's is written by ``junitparser``. SARIF is written with the standard library: the one library
of its object model has had no release since 2019, has no types, and writes nothing by itself.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

#: What XML 1.0 has no place for, also in escaped form.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class Outcome(Enum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    #: It could not be carried out.
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: of ``name`` in ``group``, with a stable word for its result and the reasons."""

    group: str
    name: str
    outcome: Outcome
    code: str
    reasons: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The result on one line."""
        return f"{self.name} is {self.code}" + (f": {self.reasons[0]}" if self.reasons else "")


def junit(checks: Sequence[Check], suite: str) -> bytes:
    """``checks`` as JUnit's XML, a test suite for each group."""
    from junitparser import (  # noqa: PLC0415 - only where a report is asked for
        Error,
        Failure,
        JUnitXml,
        Skipped,
        TestCase,
        TestSuite,
    )

    kinds = {Outcome.FAILED: Failure, Outcome.ERROR: Error, Outcome.SKIPPED: Skipped}
    report = JUnitXml(suite)
    groups: dict[str, TestSuite] = {}
    for check in checks:
        case = TestCase(_xml(check.name), classname=f"{suite}.{_xml(check.group)}", time=0)
        if check.outcome in kinds:
            result = kinds[check.outcome](_xml(check.message), check.code)
            result.text = _xml("\n".join(check.reasons))
            case.result = [result]
        if check.group not in groups:
            groups[check.group] = TestSuite(_xml(check.group))
        groups[check.group].add_testcase(case)
    for each in groups.values():
        report.add_testsuite(each)
    report.update_statistics()  # type: ignore[no-untyped-call] # the library's types lack it
    out = io.BytesIO()
    report.write(out)
    return out.getvalue()


def sarif(
    checks: Sequence[Check], *, version: str, rules: dict[str, str], fingerprint: str
) -> bytes:
    """``checks`` that did not pass as SARIF; ``rules`` has a text for each code.

    ``fingerprint`` names what makes a result the same one in another run.
    """
    used = sorted({check.code for check in checks if check.outcome in _LEVELS})
    results = [
        {
            "ruleId": check.code,
            "ruleIndex": used.index(check.code),
            "level": _LEVELS[check.outcome],
            "message": {"text": "\n".join((check.message, *check.reasons[1:]))},
            # What is wrong is in a registry, not in a file; viewers want a path all the same.
            "locations": [
                {
                    "physicalLocation": {"artifactLocation": {"uri": _uri(check.name)}},
                    "logicalLocations": [{"fullyQualifiedName": check.name, "kind": "resource"}],
                }
            ],
            "partialFingerprints": {fingerprint: f"{check.name} {check.code}"},
        }
        for check in checks
        if check.outcome in _LEVELS
    ]
    driver = {
        "name": "regctl",
        "version": version,
        "rules": [
            {"id": code, "shortDescription": {"text": rules.get(code, code)}} for code in used
        ],
    }
    unreadable = any(check.outcome is Outcome.ERROR for check in checks)
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": not unreadable}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    report = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(report, indent=2).encode() + b"\n"


def annotation(check: Check) -> str:
    """The line that makes GitHub show a failed check; empty for any other."""
    if check.outcome not in _LEVELS:
        return ""
    message = "\n".join((check.message, *check.reasons[1:]))
    return f"::error title={_property(check.name)}::{_data(message)}"


_LEVELS = {Outcome.FAILED: "error", Outcome.ERROR: "error"}


def _xml(text: str) -> str:
    return _NOT_XML.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _uri(name: str) -> str:
    """A relative reference; names have nothing in them that needs more escaping."""
    return name.replace("%", "%25").replace(":", "%3A")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
