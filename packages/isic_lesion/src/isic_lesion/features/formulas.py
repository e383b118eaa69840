"""Formulas over a lesion's own columns: text that is read, never run.

A formula is arithmetic in the column names, such as `minorAxisMM / size`. The prefix `tbp_lv_` may be dropped, and
`size` and `age` stand for clin_size_long_diam_mm and age_approx. The functions are `abs`, `sqrt`, `log`, `log1p`,
`logit`, `atan2`, `hypot` and `below`: 1 where the first argument is less than the second, else 0.

A divisor is moved away from 0 by 1e-6, to its own side (0 itself upwards), so no quotient is infinite. Whatever has no
real value (the root or logarithm of a negative number) is NaN, and so is what depends on a missing value.
"""

from __future__ import annotations

import ast
import copy
import functools
import operator
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from isic_lesion.data.schema import NUMERIC_COLUMNS

__all__ = ["canonical_formula", "columns_of", "evaluate", "guarded", "short_formula"]

_SHORT = {
    "age": "age_approx",
    "size": "clin_size_long_diam_mm",
    **{name.removeprefix("tbp_lv_"): name for name in NUMERIC_COLUMNS if name.startswith("tbp_lv_")},
}
_LONG = {column: short for short, column in _SHORT.items()}
_GUARD = 1e-6
_LOGIT_MARGIN = 1e-6
_LARGEST = 1e15

Numbers = NDArray[np.float64]


def guarded(divisor: Numbers) -> Numbers:
    """Return a divisor moved away from 0 by 1e-6, to its own side."""
    return np.asarray(divisor + np.where(divisor < 0, -_GUARD, _GUARD))


def _ratio(numerator: Numbers, divisor: Numbers) -> Numbers:
    return numerator / guarded(divisor)


def _logit(share: Numbers) -> Numbers:
    clipped = np.clip(share, _LOGIT_MARGIN, 1 - _LOGIT_MARGIN)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _below(values: Numbers, bound: Numbers) -> Numbers:
    return np.where(np.isnan(values) | np.isnan(bound), np.nan, np.where(values < bound, 1.0, 0.0))


_OPERATORS: dict[type[ast.operator], Callable[[Numbers, Numbers], Numbers]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _ratio,
}
_FUNCTIONS: dict[str, tuple[int, Callable[..., Numbers]]] = {
    "abs": (1, np.abs),
    "sqrt": (1, np.sqrt),
    "log": (1, np.log),
    "log1p": (1, np.log1p),
    "logit": (1, _logit),
    "atan2": (2, np.arctan2),
    "hypot": (2, np.hypot),
    "below": (2, _below),
}


def canonical_formula(formula: str) -> str:
    """Return a formula with full column names and one spelling of spaces and parentheses.

    Raises:
        ValueError: if it is no such formula.

    >>> canonical_formula("minorAxisMM/size")
    'tbp_lv_minorAxisMM / clin_size_long_diam_mm'
    """
    return ast.unparse(_parsed(formula))


def short_formula(formula: str) -> str:
    """Return a formula in the short column names, for people.

    >>> short_formula("tbp_lv_minorAxisMM / clin_size_long_diam_mm")
    'minorAxisMM / size'
    """
    return ast.unparse(_Renamed(_LONG).visit(copy.deepcopy(_parsed(formula))))


def columns_of(formula: str) -> frozenset[str]:
    """Return the columns that a formula reads, by their full names.

    Raises:
        ValueError: if it is no such formula.
    """
    tree = _parsed(formula)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called)


def evaluate(formula: str, numbers: Callable[[str], Numbers]) -> Numbers:
    """Return a formula's values.

    Args:
        formula: see the module.
        numbers: gives a column's values by its full name, NaN where missing; shape (N,).

    Returns:
        Finite values or NaN; shape (N,).

    Raises:
        ValueError: if it is no such formula.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        values = _value(_parsed(formula).body, numbers)
    if not np.isfinite(values.sum()):
        values = np.where(np.isfinite(values), values, np.nan)
    return values


def _value(node: ast.expr, numbers: Callable[[str], Numbers]) -> Numbers:
    match node:
        case ast.Name(id=name):
            return numbers(name)
        case ast.Constant(value=value):
            return np.float64(value)  # type: ignore[return-value, arg-type]
        case ast.UnaryOp(operand=operand):
            return -_value(operand, numbers)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, numbers), _value(right, numbers))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name][1](*(_value(argument, numbers) for argument in arguments))
        case _:
            raise AssertionError(f"a node that was not refused: {ast.dump(node)}")


@functools.cache
def _parsed(formula: str) -> ast.Expression:
    try:
        tree = ast.parse(formula.strip(), mode="eval")
    except (SyntaxError, RecursionError, ValueError):
        raise ValueError(f"expected a formula such as `size / age`, got {formula!r}") from None
    _check(tree.body, formula)
    if not any(isinstance(node, ast.Name) and node.id not in _FUNCTIONS for node in ast.walk(tree)):
        raise ValueError(f"expected a formula of some column, got {formula!r}")
    return ast.Expression(ast.fix_missing_locations(_Renamed(_SHORT).visit(tree.body)))


def _check(node: ast.expr, formula: str) -> None:
    """Refuse whatever is not arithmetic of columns, before anything is computed."""
    match node:
        case ast.Name(id=name) if name not in _FUNCTIONS:
            return
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and abs(value) < _LARGEST:
            return
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _check(operand, formula)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(left, formula)
            _check(right, formula)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            if len(arguments) != _FUNCTIONS[name][0]:
                raise ValueError(f"expected {_FUNCTIONS[name][0]} arguments of {name}, got {formula!r}")
            for argument in arguments:
                _check(argument, formula)
        case _:
            raise ValueError(
                f"expected a formula of columns, numbers, + - * / and {', '.join(_FUNCTIONS)};"
                f" got {ast.unparse(node)!r} in {formula!r}"
            )


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.copy_location(ast.Name(self._names.get(node.id, node.id), ast.Load()), node)
