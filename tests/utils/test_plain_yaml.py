"""YAML as plain data: what is read, and what is refused at its line before it is built."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpool.errors import FormatError
from lightpool.utils.plain_yaml import parse_yaml

LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join(10 * [f'*a{i - 1}'])}]" for i in range(1, 10)]
)
TEXTS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=8)
NUMBERS = st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(DATA)
def test_plain_data_survive(data):
    assert parse_yaml(yaml.safe_dump(data, allow_unicode=True), "f")[0] == data


def test_lines_are_those_of_keys_and_items():
    data, lines = parse_yaml("a: 1\nb:\n  - x\n  - c: 2\n", "f")
    assert data == {"a": 1, "b": ["x", {"c": 2}]}
    assert lines == {(): 1, ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("05:34:31.9", "05:34:31.9"),
        ("2004-03-26", "2004-03-26"),
        ("017", 17),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1.5", 1.5),
        (".inf", float("inf")),
        ("yes", True),
        ("~", None),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("=", "="),
    ],
)
def test_scalars_are_what_they_look_like(text, value):
    assert parse_yaml(f"key: {text}", "f")[0] == {"key": value}


def test_aliases_and_merged_keys_stand_for_their_values():
    text = (
        "base: &base {a: 1, b: 2}\nlist: &list [3]\nown: {<<: *base, b: 5}\nboth: {<<: [*base, {a: 7, c: 8}]}\nx: *list"
    )
    data, _ = parse_yaml(text, "f")
    assert data["own"] == {"a": 1, "b": 5}
    assert data["both"] == {"a": 1, "b": 2, "c": 8}
    assert data["x"] == [3]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (LAUGHS, 6, "more than 300000 values"),
        ("a: &a [*a]", 1, "&a holds itself"),
        ("a: &a {b: *a}", 1, "&a holds itself"),
        ("a: *b", 1, "no anchor &b stands before"),
        ("a: 1\nb: " + 60 * "[" + 60 * "]", 2, "nested more than 50 deep"),
        ("b: " + 3000 * "[", 1, ""),
        ("a: 1\nb: " + 5000 * "9", 2, "a number of 5000 characters"),
        ("b: -" + 30 * "9", 1, "too large for 64 bits"),
        ("b: 1.0e+999", 1, "too large"),
        ("? [a]\n: 1", 1, "cannot be a key"),
        ("? {a: b}\n: 1", 1, "cannot be a key"),
        ("a: &a x\n*a : 1", 2, "an alias cannot be a key"),
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' stands twice"),
        ("a: {<<: 3}", 1, "takes in the keys of a mapping"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("~\n---\nb: 2", 2, "a second document"),
        ("a: !!python/object/apply:os.system [x]", 1, "python/object/apply:os.system is not allowed"),
        ("a: !!python/name:os.system", 1, "!!python/name:os.system is not allowed"),
        ("a: !!binary aGVsbG8=", 1, "!!binary is not allowed"),
        ("a: !!set {b, c}", 1, "!!set is not allowed"),
        ("a: !own 1", 1, "!own is not allowed"),
        ("a: !!int x", 1, "'x' is no int"),
        ('a: "\\0"', 1, r"U\+0000 is not allowed"),
        ('a: "\\e[31m"', 1, r"U\+001B is not allowed"),
        ('"\\e": 1', 1, r"U\+001B is not allowed"),
        ("a: 1\nb: \x00", 2, r"U\+0000 is not allowed"),
        ("a:\n\tb: 1", 2, "no YAML"),
        ("a: 'x\n", 2, "no YAML"),
    ],
)
def test_what_is_more_than_plain_data_is_refused_at_its_line(text, line, message):
    with pytest.raises(FormatError, match=rf"^f, line {line}: .*{message}"):
        parse_yaml(text, "f")
