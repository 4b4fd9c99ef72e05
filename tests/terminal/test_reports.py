"""Reports for CI systems, as those systems read them: whatever a name or a reason holds."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from regctl.terminal.reports import Check, Outcome, annotation, junit, sarif

PASSED = Check("a", "a:v1", Outcome.PASSED, "trusted")
FAILED = Check("a", "a:v2", Outcome.FAILED, "unsigned", ("there is none", "nor was there"))
ERROR = Check("b/c", "b/c:v1", Outcome.ERROR, "unchecked", ("disk: I/O error",))
HOSTILE = Check("a", "a:v3", Outcome.FAILED, "broken", ("</failure>\x00\x1b]0;\ud800 %\r\n::x::",))
CHECKS = (PASSED, FAILED, ERROR, HOSTILE)


def test_junit() -> None:
    root = ET.fromstring(junit(CHECKS, "suite"))
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "2", "1")
    assert [each.get("name") for each in root] == ["a", "b/c"]
    cases = {each.get("name"): each for each in root.iter("testcase")}
    assert list(cases["a:v1"]) == []
    failure = cases["a:v2"].find("failure")
    assert failure is not None
    assert failure.get("type") == "unsigned"
    assert failure.get("message") == "a:v2 is unsigned: there is none"
    assert failure.text == "there is none\nnor was there"
    assert cases["b/c:v1"].find("error") is not None
    hostile = cases["a:v3"].find("failure")
    assert hostile is not None
    # XML has no form for these characters, not even an escaped one.
    assert hostile.text is not None
    assert "</failure>\\x00\\x1b]0;\\xd800 %" in hostile.text


def test_junit_of_nothing() -> None:
    assert ET.fromstring(junit((), "suite")).get("tests") == "0"


def test_sarif() -> None:
    report = json.loads(
        sarif(CHECKS, version="1.2", rules={"unsigned": "Not signed"}, fingerprint="f/v1")
    )
    assert report["version"] == "2.1.0"
    (run,) = report["runs"]
    driver = run["tool"]["driver"]
    assert driver["rules"] == [
        {"id": "broken", "shortDescription": {"text": "broken"}},
        {"id": "unchecked", "shortDescription": {"text": "unchecked"}},
        {"id": "unsigned", "shortDescription": {"text": "Not signed"}},
    ]
    first, second, third = run["results"]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("unsigned", 2, "error")
    assert first["message"]["text"] == "a:v2 is unsigned: there is none\nnor was there"
    (location,) = first["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "a%3Av2"
    prints = {each["partialFingerprints"]["f/v1"] for each in (first, second, third)}
    assert len(prints) == 3
    assert run["invocations"] == [{"executionSuccessful": False}]


def test_annotations() -> None:
    assert annotation(PASSED) == ""
    assert annotation(FAILED) == (
        "::error title=a%3Av2::a:v2 is unsigned: there is none%0Anor was there"
    )
    # Nothing that a reason holds begins a line, and so a command of its own.
    said = annotation(HOSTILE)
    assert "\n" not in said
    assert "\r" not in said
    assert "%25%0D%0A::x::" in said
