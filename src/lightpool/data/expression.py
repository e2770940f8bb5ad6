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
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "isfinite": np.isfinite,
    "startswith": np.strings.startswith,
}


def evaluate_condition(expression: str, columns: Mapping[str, NDArray[Any]], n_row: int) -> NDArray[np.bool_]:
    """Rows for which a condition holds.

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
        If the expression cannot be understood, names no column, or is no condition.
    """
    result = evaluate_expression(expression, columns, n_row)
    if result.dtype != bool:
        raise ValueError(
            f"selection {expression!r} gives {result.dtype} values, expected a condition such as 'ZEN_PNT < 30'"
        )
    return result


def evaluate_expression(expression: str, columns: Mapping[str, NDArray[Any]], n_row: int) -> NDArray[Any]:
    """Values of an expression in each row, shape (n_row,); arguments and errors as for `evaluate_condition`."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(
            f"selection {expression!r} cannot be read: {error.msg}; an example is 'ZEN_PNT < 30'"
        ) from error
    try:
        result = np.asarray(_Evaluator(columns).visit(tree.body))
    except (TypeError, np.exceptions.DTypePromotionError) as error:
        raise ValueError(f"selection {expression!r} mixes types that do not fit: {error}") from error
    return np.broadcast_to(result, (n_row,)).copy()


class _Evaluator(ast.NodeVisitor):
    """Walks over the few kinds of node that a condition may have; all others are refused."""

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
        return self._columns[node.id]

    def visit_Constant(self, node: ast.Constant) -> Any:
        if not isinstance(node.value, bool | int | float | str):
            return self.generic_visit(node)
        return node.value

    def visit_Tuple(self, node: ast.Tuple) -> Any:
        return [self.visit(element) for element in node.elts]

    def visit_List(self, node: ast.List) -> Any:
        return [self.visit(element) for element in node.elts]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        return _UNARY[type(node.op)](self.visit(node.operand))

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        if type(node.op) not in _BINARY:
            return self.generic_visit(node.op)
        return _BINARY[type(node.op)](self.visit(node.left), self.visit(node.right))

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        result = self._condition(node.values[0])
        for value in node.values[1:]:
            result = join(result, self._condition(value))
        return result

    def _condition(self, node: ast.expr) -> Any:
        value = self.visit(node)
        if np.asarray(value).dtype != bool:
            raise ValueError(f"{ast.unparse(node)!r} is no condition; compare it with something, as in 'ZEN_PNT < 30'")
        return value

    def visit_Compare(self, node: ast.Compare) -> Any:
        left, result = self.visit(node.left), np.bool_(True)
        for kind, other in zip(node.ops, node.comparators, strict=True):
            if type(kind) not in _COMPARE:
                return self.generic_visit(kind)
            right = self.visit(other)
            _check_comparable(left, right, node)
            result = np.logical_and(result, _COMPARE[type(kind)](left, right))
            left = right
        return result

    def visit_Call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords:
            raise ValueError(
                f"{ast.unparse(node.func)!r} is no function of a selection; there are {', '.join(_FUNCTIONS)}"
            )
        return _FUNCTIONS[node.func.id](*(self.visit(argument) for argument in node.args))


def _check_comparable(left: Any, right: Any, node: ast.Compare) -> None:
    """Refuse to compare text with numbers: that would hold nowhere, without a word."""
    kinds = {"text" if np.asarray(value).dtype.kind in "US" else "number" for value in (left, right) if np.size(value)}
    if len(kinds) > 1:
        raise ValueError(f"{ast.unparse(node)!r} compares text with numbers")
