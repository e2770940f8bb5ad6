"""Conditions on table columns, such as ``"ZEN_PNT < 30 and OBJECT == 'Crab Nebula'"``, evaluated without ``eval``."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["evaluate_condition", "evaluate_expression"]

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: np.logical_and,
    ast.BitOr: np.logical_or,
}
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda values, allowed: np.isin(values, list(allowed)),
    ast.NotIn: lambda values, allowed: ~np.isin(values, list(allowed)),
}
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: np.logical_not,
    ast.Invert: np.logical_not,
}
_FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "isfinite": (1, np.isfinite),
    "startswith": (2, np.strings.startswith),
}
"""Functions with the number of their arguments: a second one of `numpy.abs` would be written to."""

_DIVISIONS = (ast.Div, ast.FloorDiv, ast.Mod)
_MAX_INTEGER = 2**63


def evaluate_condition(expression: str, columns: Mapping[str, NDArray[Any]], n_row: int) -> NDArray[np.bool_]:
    """Return the rows for which a condition holds.

    Parameters
    ----------
    expression : str
        Column names, numbers and texts with ``< <= == != >= > in``, ``and or not``, ``+ - * / // %`` and the functions
        abs, isfinite and startswith. A comparison with NaN does not hold.
    columns : mapping of name to ndarray, shape (n_row,)
    n_row : int

    Returns
    -------
    mask : ndarray of bool, shape (n_row,)

    Raises
    ------
    ValueError
        If the expression cannot be parsed, names an unknown column, or is not a condition.
    """
    result = evaluate_expression(expression, columns, n_row)
    if result.dtype != bool:
        raise ValueError(
            f"selection {expression!r} has {result.dtype} values, expected a condition such as 'ZEN_PNT < 30'"
        )
    return result


def evaluate_expression(expression: str, columns: Mapping[str, NDArray[Any]], n_row: int) -> NDArray[Any]:
    """Return the values of an expression in each row.

    Parameters
    ----------
    expression, columns, n_row : see `evaluate_condition`

    Returns
    -------
    values : ndarray, shape (n_row,)

    Raises
    ------
    ValueError
        If the expression cannot be parsed, or names an unknown column.
    """
    try:
        tree = _parsed(expression.strip())
        with np.errstate(all="ignore"):  # values that are not finite are compared too
            result = np.asarray(_Evaluator(columns).visit(tree.body))
        return np.broadcast_to(result, (n_row,)).copy()
    except SyntaxError as error:
        raise ValueError(
            f"selection {_brief(expression)} cannot be read: {error.msg}; an example is 'ZEN_PNT < 30'"
        ) from error
    except (RecursionError, MemoryError) as error:
        raise ValueError(f"selection {_brief(expression)} is nested too deep, or too long") from error
    except (TypeError, np.exceptions.DTypePromotionError) as error:
        raise ValueError(f"selection {_brief(expression)} mixes types that do not fit: {error}") from error
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"selection {_brief(expression)}: {error}") from error


def _parsed(expression: str) -> ast.Expression:
    if "\0" in expression:  # a ValueError up to Python 3.11.3, a SyntaxError since
        raise SyntaxError("it contains a null byte")
    return ast.parse(expression, mode="eval")


def _brief(expression: str) -> str:
    shown = repr(expression)
    return shown if len(shown) < 200 else f"{shown[:196]}...'"


class _Evaluator(ast.NodeVisitor):
    """Visits the few kinds of node that a condition may have; all others are refused."""

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self._columns = columns

    def generic_visit(self, node: ast.AST) -> Any:
        raise ValueError(
            f"{type(node).__name__} is not allowed in a selection; use column names, numbers, texts, comparisons, "
            "and, or, not, + - * / // % and abs, isfinite, startswith"
        )

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id not in self._columns:
            raise ValueError(f"no column {node.id!r} to select by; there are {', '.join(self._columns)}")
        column = self._columns[node.id]
        # Comparing cells with several values would give a mask that does not fit the rows.
        if np.ndim(column) > 1:
            raise ValueError(f"column {node.id!r} has several values in a row, so that nothing can be selected by it")
        return column

    def visit_Constant(self, node: ast.Constant) -> Any:
        if not isinstance(node.value, bool | int | float | str):
            return self.generic_visit(node)
        if isinstance(node.value, int | float) and not abs(node.value) < _MAX_INTEGER:
            raise ValueError(f"the number {_brief(ast.unparse(node))[1:-1]} is too large")
        return node.value

    def visit_Tuple(self, node: ast.Tuple) -> Any:
        return [self.visit(element) for element in node.elts]

    def visit_List(self, node: ast.List) -> Any:
        return [self.visit(element) for element in node.elts]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        value = self.visit(node.operand)
        if isinstance(node.op, ast.USub | ast.UAdd):
            value = _number(value, node)
        return _UNARY[type(node.op)](value)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        if type(node.op) not in _BINARY:
            return self.generic_visit(node.op)
        left, right = self.visit(node.left), self.visit(node.right)
        # Logical and not bit by bit: the operands are conditions.
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            return _BINARY[type(node.op)](left, right)
        left, right = _number(left, node), _number(right, node)
        if isinstance(node.op, _DIVISIONS) and np.ndim(right) == 0 and right == 0:
            # Only a constant divisor is refused: zeros in a column give inf or NaN in their rows.
            raise ValueError(f"{ast.unparse(node)!r} divides by zero")
        result = _BINARY[type(node.op)](left, right)
        if np.asarray(result).dtype.kind == "i":
            # NumPy wraps integers around without a warning: the same operation in float64 shows whether they did.
            exact = _BINARY[type(node.op)](np.asarray(left, dtype=float), np.asarray(right, dtype=float))
            if np.any(np.abs(exact) >= _MAX_INTEGER):
                raise ValueError(f"{ast.unparse(node)!r} results in numbers that are too large for 64 bits")
        return result

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        result = self._condition(node.values[0])
        for value in node.values[1:]:
            result = join(result, self._condition(value))
        return result

    def _condition(self, node: ast.expr) -> Any:
        value = self.visit(node)
        if np.asarray(value).dtype != bool:
            raise ValueError(
                f"{ast.unparse(node)!r} is not a condition; compare it with something, as in 'ZEN_PNT < 30'"
            )
        return value

    def visit_Compare(self, node: ast.Compare) -> Any:
        left, result = self.visit(node.left), np.bool_(True)
        # As in Python, a < b < c means a < b and b < c.
        for kind, other in zip(node.ops, node.comparators, strict=True):
            if type(kind) not in _COMPARE:
                return self.generic_visit(kind)
            right = self.visit(other)
            if isinstance(kind, ast.In | ast.NotIn) and not isinstance(right, list):
                raise ValueError(f"{ast.unparse(node)!r}: a list stands behind in, such as [1, 2] or ['Crab Nebula']")
            _check_comparable(left, right, node)
            result = np.logical_and(result, _COMPARE[type(kind)](left, right))
            left = right
        return result

    def visit_Call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords:
            raise ValueError(
                f"{ast.unparse(node.func)!r} is not a function of a selection; available functions: "
                f"{', '.join(_FUNCTIONS)}"
            )
        n_argument, function = _FUNCTIONS[node.func.id]
        if len(node.args) != n_argument:
            raise ValueError(f"{node.func.id} takes {n_argument} values, got {len(node.args)}")
        return function(*(self.visit(argument) for argument in node.args))


def _number(value: Any, node: ast.expr) -> Any:
    """Return an operand as a number; integers get 64 bits, because small integers of a column would overflow.

    Raises
    ------
    ValueError
        If it is text or a list, which Python would repeat instead of multiply.
    """
    array = np.asarray(value)
    if isinstance(value, list) or array.dtype.kind not in "buif":
        raise ValueError(f"{ast.unparse(node)!r} mixes types: it calculates with something that is not a number")
    if array.dtype.kind == "u" and np.any(array >= np.uint64(_MAX_INTEGER)):
        return array.astype(np.float64)
    return value if array.dtype.kind == "f" else array.astype(np.int64)


def _check_comparable(left: Any, right: Any, node: ast.Compare) -> None:
    """Refuse to compare text with numbers: the result would be False everywhere, without a warning."""
    kinds = {"text" if np.asarray(value).dtype.kind in "US" else "number" for value in (left, right) if np.size(value)}
    if len(kinds) > 1:
        raise ValueError(f"{ast.unparse(node)!r} compares text with numbers")
