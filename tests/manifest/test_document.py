from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.errors import InvalidManifestError
from regctl.manifest.document import Object, fold, parse_document, shown

NAMES = ("mediaType", "schemaVersion", "layers", "fsLayers", "blobSum", "digest", "os.version")
#: What simple folding makes equal to a letter: an own list, not the code under test.
EQUALS = {letter: {letter, letter.upper()} for letter in string.ascii_lowercase}
EQUALS["k"].add("\N{KELVIN SIGN}")
EQUALS["s"].add("\N{LATIN SMALL LETTER LONG S}")


def model_equal(name: str, other: str) -> bool:
    return len(name) == len(other) and all(
        there in EQUALS.get(here.lower(), {here}) for here, there in zip(name, other, strict=True)
    )


@st.composite
def respelled(draw: st.DrawFn) -> tuple[str, str]:
    """A known name, and the same with some letters in another form, or replaced by a decoy."""
    name = draw(st.sampled_from(NAMES))
    decoys = "\N{LATIN SMALL LETTER DOTLESS I}\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}\u00df.x"
    letters = [
        draw(
            st.one_of(
                st.just(letter),
                st.sampled_from(sorted(EQUALS.get(letter.lower(), {letter}))),
                st.sampled_from(decoys),
            )
        )
        for letter in name
    ]
    return name, "".join(letters)


@given(respelled())
def test_names_fold_as_in_go(pair: tuple[str, str]) -> None:
    name, other = pair
    assert (fold(name) == fold(other)) == model_equal(name, other)


@pytest.mark.parametrize(
    ("name", "other", "same"),
    [
        ("layers", "LAYERS", True),
        ("layers", "layer\u017f", True),
        ("tokens", "TO\u212aEN\u017f", True),
        ("size", "s\u0130ze", False),
        ("size", "s\u0131ze", False),
        ("ss", "\u00df", False),
        ("layers", "layers ", False),
    ],
)
def test_folding_is_simple(name: str, other: str, same: bool) -> None:
    """Full case folding would take the sharp s for two letters and lower-case the dotted I."""
    assert (fold(name) == fold(other)) is same


def test_all_members_are_kept_in_order() -> None:
    document = parse_document(b' {"b":1,"A":null,"a":"x","\\u0061":[2],"a":{"c":3}}\n')
    assert [name for name, _ in document.members] == ["b", "A", "a", "a", "a"]
    assert [spelling for spelling, _ in document.matching("a")] == ["A", "a", "a", "a"]
    values = document.values("A")
    assert values[:2] == ["x", [2]]
    assert isinstance(values[2], Object)
    assert values[2].values("c") == [3]


def test_text_is_the_last_string() -> None:
    document = parse_document(b'{"a":"first","A":"last","a":null,"a":5,"b":6}')
    assert document.text("a") == "last"
    assert document.text("b") == ""


def test_lone_surrogates_become_the_replacement_character() -> None:
    """Printed as they are, they are a traceback: they cannot be encoded."""
    document = parse_document(rb'{"a":"x\ud800y","b":"\ud83d\ude00\udc00"}')
    assert document.text("a") == "x\ufffdy"
    assert document.text("b") == "\U0001f600\ufffd"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expecting value at line 1, column 1"),
        (b'{"a":\n nope}', "at line 2, column 2"),
        (b"{} {}", "extra data at line 1, column 4"),
        (b'{"a":1}\0', "extra data at line 1, column 8"),
        (b'{"a":"\n"}', "at line 1, column 7"),
        (b'{"NaN":"NaN",\n"a":NaN}', "NaN is refused at line 2, column 5"),
        (b'{"a":[1,-Infinity]}', "-Infinity is refused at line 1, column 9"),
        (b'{"a":1%s}' % (b"0" * 1000), "an integer of more than 1000 digits is refused at line 1"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        (b'{"a":"\xff"}', "not UTF-8: invalid start byte at byte 6"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        (b"[1]", "the manifest is a list, not a JSON object"),
        (b"null", "the manifest is null, not a JSON object"),
        (b'"x"', "the manifest is 'x', not a JSON object"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "nested too deep"),
    ],
)
def test_what_is_no_json_object_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidManifestError) as caught:
        parse_document(content)
    assert reason in str(caught.value)


def test_numbers_of_other_members_are_no_concern() -> None:
    document = parse_document(b'{"a":1e999,"b":-0,"c":%s}' % (b"9" * 1000))
    assert document.values("b") == [0]
    assert document.values("a") == [float("inf")]


def test_limit_is_checked_before_anything_else() -> None:
    assert parse_document(b'{"a":1}', 7).values("a") == [1]
    with pytest.raises(InvalidManifestError, match="has 7 bytes, more than the 6 that are read"):
        parse_document(b'{"a":1}', 6)
    huge = bytes(100 * 1024 * 1024)
    with pytest.raises(InvalidManifestError, match="more than the"):
        parse_document(huge)


@pytest.mark.parametrize("unit", [b'{"a":1},', b"[],", b'"x",', b'"\\u212a",', b'"\\\\\\"",'])
@pytest.mark.timeout(60)
def test_four_mebibytes_do_not_hang(unit: bytes) -> None:
    """What is looked for takes time by the size of a document, not by its square."""
    content = b'{"a":[' + unit * (4 * 1024 * 1024 // len(unit)) + b"NaN]}"
    with pytest.raises(InvalidManifestError, match="NaN is refused"):
        parse_document(content)


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), st.lists))
def test_shown_is_one_short_line(value: bool | int | str | None) -> None:
    assert len(shown(value)) <= 103
    assert "\n" not in shown(value)


@given(st.binary() | st.text(alphabet='{}[]":,0 \\aN').map(str.encode))
def test_arbitrary_bytes_raise_nothing_else(content: bytes) -> None:
    try:
        parsed: Object | str = parse_document(content)
    except InvalidManifestError as error:
        parsed = error.message
    assert isinstance(parsed, Object) or parsed.startswith("the manifest ")
