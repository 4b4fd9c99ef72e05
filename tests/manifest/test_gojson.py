from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.manifest.document import Object
from regctl.manifest.gojson import MAX_DEPTH, NotJSONError, compact, indented, parse, quote

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_means_the_same_and_is_written_the_same_again(value: object) -> None:
    written = compact(parse(json.dumps(value).encode()))
    assert json.loads(written, parse_int=float) == value
    assert compact(parse(written.encode())) == written


@given(VALUES)
def test_indented_is_as_python_indents(value: object) -> None:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    assert indented(text, "", "   ") == json.dumps(value, indent=3, ensure_ascii=False)


def test_a_prefix_stands_before_every_line_but_the_first() -> None:
    text = '[{"a":[],"b":{},"c":["]"]}]'
    assert indented(text, ">", "\t").split("\n") == [
        "[",
        ">\t{",
        '>\t\t"a": [],',
        '>\t\t"b": {},',
        '>\t\t"c": [',
        '>\t\t\t"]"',
        ">\t\t]",
        ">\t}",
        ">]",
    ]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<&>", '"\\u003c\\u0026\\u003e"'),
        ("\u2028\u2029", '"\\u2028\\u2029"'),
        ("\n\r\t\b\f\x00\x1f\x7f", '"\\n\\r\\t\\b\\f\\u0000\\u001f\x7f"'),
        ('"\\/', '"\\"\\\\/"'),
        ("é日😀", '"é日😀"'),
        ("\ud800", '"\ufffd"'),
    ],
)
def test_strings_are_escaped_as_go_escapes_them(text: str, written: str) -> None:
    assert quote(text) == written


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'"\xff\xe2\x82A"', "\ufffd\ufffd\ufffdA"),
        (b'"\\ud800"', "\ufffd"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\ude00\\ud83d"', "\ufffd\ufffd"),
        (b" \t\r\n1 \n", 1.0),
        (b"1" * 5000, float("inf")),
        (b"-0", 0.0),
    ],
)
def test_what_go_reads_is_read(content: bytes, value: object) -> None:
    """Bytes that are no UTF-8 are one U+FFFD each, where Python makes one of several."""
    assert parse(content) == value


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b" ", b"\xef\xbb\xbf1", b"1 1", b"NaN", b"-Infinity", b"01", b"1.", b".5", b"+1"),
        *(b"'a'", b'"\n"', b'"\\x"', b'"\\ud80"', b"[1,]", b'{"a":1,}', b"{1:1}", b"nul", b"\x00"),
        *(b"\x0b1", "\u00a01".encode(), '"a"'.encode("utf-16"), b"// c\n1"),
    ],
)
def test_what_go_refuses_is_refused(content: bytes) -> None:
    with pytest.raises(NotJSONError):
        parse(content)


def test_the_last_of_doubled_members_is_written_and_all_are_read() -> None:
    value = parse(b'{"b":1,"a":2,"b":3,"\\ud800":4,"\\udfff":5}')
    assert isinstance(value, Object)
    assert [name for name, _ in value.members] == ["b", "a", "b", "\ufffd", "\ufffd"]
    assert compact(value) == '{"a":2,"b":3,"\ufffd":5}'


def test_depth_and_size_are_bounded() -> None:
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert parse(b'["' + b"[" * 9999 + b'"]') == ["[" * 9999]
    assert parse(b"[" + b"[]," * 9999 + b"[]]")
    for wrong in (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), b'{"a":' * 300 + b'"'):
        with pytest.raises(NotJSONError, match=f"deeper than {MAX_DEPTH}"):
            parse(wrong)
    with pytest.raises(NotJSONError, match="5 bytes, more than the 4"):
        parse(b'"abc"', limit=4)


def test_a_number_beyond_floating_point_is_read_but_not_written() -> None:
    with pytest.raises(NotJSONError, match="beyond 64 bits"):
        compact(parse(b'{"a":[1e999]}'))
