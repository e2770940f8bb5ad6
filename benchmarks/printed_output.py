"""What a script printed in two runs, compared: the same words, and the same numbers up to a tolerance.

Names that Gammapy draws at random, addresses of objects, times of day and durations differ in any two runs.
"""

import math
import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import zip_longest

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])|(?<![\w])[-+]?(?:nan|inf)(?![\w])")
# See gammapy.utils.scripts.make_name.
RANDOM_NAME = re.compile(r"(?<![\w.-])(?![A-Z]?[a-z]+(?![\w-])|[-\d]+(?![\w-]))[\w-]{8}(?=(-bkg)?(?![\w-]))")
CHANGING = [
    (re.compile(r"0x[0-9a-f]{6,}"), "ADDRESS"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*"), "DATE"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"/tmp/[\w./-]+"), "FILE"),
    (re.compile(r"\b\d+(\.\d+)?(e-?\d+)? ?(s|ms|us|seconds|it/s|s/it)\b"), "DURATION"),
    (re.compile(r"-{3,}|={3,}|\.{3,}|━+"), " "),  # rules and progress bars are as long as what they belong to
]


@dataclass
class Comparison:
    """How two outputs differ.

    Attributes
    ----------
    texts : list of (str, str)
        Lines whose words differ, first and second output.
    numbers : list of (str, str)
        Lines with numbers that differ by more than the tolerance.
    largest : float
        Largest relative difference of two numbers.
    """

    texts: list[tuple[str, str]] = field(default_factory=list)
    numbers: list[tuple[str, str]] = field(default_factory=list)
    largest: float = 0.0

    @property
    def is_same(self) -> bool:
        return not self.texts and not self.numbers


def compare_outputs(first: str, second: str, *, rtol: float = 1e-5, atol: float = 1e-12) -> Comparison:
    """Compare what two runs of a script printed, line by line.

    Parameters
    ----------
    first, second : str
    rtol, atol : float
        Numbers are the same if they differ by less than the last digit printed, or by ``rtol`` of the larger, or by
        ``atol``.
    """
    result = Comparison()
    lines, others = _lines(first), _lines(second)
    matcher = SequenceMatcher(None, list(map(_skeleton, lines)), list(map(_skeleton, others)), autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        if kind == "equal":
            for line, other in zip(lines[i:i_end], others[j:j_end], strict=True):
                _compare_numbers(line, other, rtol, atol, result)
        else:
            result.texts += zip_longest(lines[i:i_end], others[j:j_end], fillvalue="")
    return result


def _lines(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        for pattern, replacement in CHANGING:
            line = pattern.sub(replacement, line)
        if line := " ".join(RANDOM_NAME.sub("NAME", line).split()):
            lines.append(line)
    return lines


def _skeleton(line: str) -> str:
    """Return a line without its numbers."""
    return " ".join(NUMBER.sub(" # ", line).split())


def _compare_numbers(first: str, second: str, rtol: float, atol: float, result: Comparison) -> None:
    differences = [
        _relative_difference(one, other, atol)
        for one, other in zip(NUMBER.findall(first), NUMBER.findall(second), strict=True)
    ]
    largest = max(differences, default=0.0)
    result.largest = max(result.largest, largest)
    if largest > rtol:
        result.numbers.append((first, second))


def _relative_difference(first: str, second: str, atol: float) -> float:
    """Relative difference of two printed numbers; zero if they differ in the last digit printed only."""
    a, b = float(first), float(second)
    if first == second or a == b:
        return 0.0
    if abs(a - b) <= max(atol, 1.01 * max(_last_digit(first), _last_digit(second))):
        return 0.0
    if math.isnan(a) or math.isnan(b) or math.isinf(a - b):
        return math.inf
    return abs(a - b) / max(abs(a), abs(b))


def _last_digit(number: str) -> float:
    """Value of one unit of the last digit printed; integers are exact."""
    mantissa, _, exponent = number.lower().partition("e")
    _, point, digits = mantissa.partition(".")
    if not point or not mantissa.strip("+-").replace(".", "").isdigit():
        return 0.0
    return float(10.0 ** (int(exponent or 0) - len(digits)))
