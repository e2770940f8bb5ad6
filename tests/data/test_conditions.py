"""Conditions on columns: what they select, and that whatever is wrong is an error that names the condition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpool.data.tables.conditions import evaluate_condition

COLUMNS = {
    "OBS_ID": np.array([1, 2, 3]),
    "ZEN_PNT": np.array([10.0, np.nan, 0.0], dtype=np.float32),
    "EVENT_TYPE": np.array([200, 1, 2], dtype=np.uint8),
    "OBJECT": np.array(["Crab", "Vela", "MSH"]),
    "SHAPE": np.ones((3, 2)),
    "GOOD": np.array([True, False, True]),
    "BITS": np.array([2**63 + 5, 1, 2], dtype=np.uint64),
}


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("EVENT_TYPE * 2 > 300", [0]),
        ("-EVENT_TYPE < -100", [0]),
        ("BITS + 1 > 5", [0]),
        ("OBS_ID / ZEN_PNT > 1", [2]),
        ("OBS_ID % (OBS_ID - 1) == 0", [0, 1]),
        ("ZEN_PNT * 1 == 10", [0]),
        ("GOOD and OBS_ID + GOOD > 2", [2]),
        ("OBJECT in ['Crab', 'MSH']", [0, 2]),
        ("startswith(OBJECT, 'V') or abs(-OBS_ID) == 1", [0, 1]),
        ("1 < 2", [0, 1, 2]),
    ],
)
def test_rows_are_those_of_exact_arithmetic(condition, rows):
    assert np.flatnonzero(evaluate_condition(condition, COLUMNS, 3)).tolist() == rows


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("1/0 < OBS_ID", "'1 / 0' divides by zero"),
        ("OBS_ID // 0 == 1", "divides by zero"),
        ("1 % 0 == OBS_ID", "divides by zero"),
        ("OBS_ID * 99999999999999999999 > 1", "is too large"),
        ("OBS_ID * 3074457345618258603 > 1", "too large for 64 bits"),
        ("1e999 > OBS_ID", "is too large"),
        ("OBS_ID < " + 5000 * "9", "cannot be read"),
        (5000 * "-" + "1 < OBS_ID", "nested too deep|cannot be read"),
        (500 * "(" + "1" + 500 * ")" + "< OBS_ID", "nested too deep|cannot be read"),
        ("+".join(20000 * ["1"]) + "< OBS_ID", "nested too deep"),
        ("'a' * 9999999999 == OBJECT", "not a number"),
        ("'%9999999999d' % 1 == OBJECT", "not a number"),
        ("[1] * 9999999999 == OBS_ID", "not a number"),
        ("abs(OBS_ID, ZEN_PNT) > 1", "abs takes 1 values, got 2"),
        ("startswith(OBJECT)", "startswith takes 2 values, got 1"),
        ("abs(OBJECT) > 1", "mixes types"),
        ("SHAPE > 1", "column 'SHAPE' has several values in a row"),
        ("OBJECT > 1", "compares text with numbers"),
        ("OBJECT in 'Crab'", "a list stands behind in"),
        ("ZENITH < 1", "no column 'ZENITH'"),
        ("OBS_ID", "expected a condition"),
        ("OBS_ID ** 2 > 1", "Pow is not allowed"),
        ("\x00", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_what_cannot_be_evaluated_names_the_condition(condition, message):
    with pytest.raises(ValueError, match=message) as caught:
        evaluate_condition(condition, COLUMNS, 3)
    assert repr(condition)[:60] in str(caught.value)
    assert len(str(caught.value)) < 600


PARTS = st.sampled_from([*COLUMNS, "1", "0", "2.5", "'Crab'", "[1]", "nan", "9" * 25, "True"])
OPERATORS = st.sampled_from(["+", "-", "*", "/", "//", "%", "<", "==", "in", "and", "&", "(", ")", ",", "not", "**"])


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS | OPERATORS, min_size=1, max_size=7))
def test_any_text_selects_rows_or_is_refused(words):
    try:
        rows = evaluate_condition(" ".join(words), COLUMNS, 3)
    except ValueError:
        return
    assert rows.shape == (3,)
