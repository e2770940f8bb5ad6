"""Signatures with the types as the source has them: ``unit: UnitLike``, not what the alias stands for."""

import ast
import dataclasses
import enum
import inspect
import textwrap
from functools import cache

from pydantic import BaseModel
from sphinx.application import Sphinx


def process(
    app: Sphinx, what: str, name: str, thing: object, options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Return the signature of a function, method or class; called by autodoc."""
    del app, name, options, returned
    if signature is None or what in ("module", "attribute", "data"):
        return signature, None
    if inspect.isclass(thing):
        return signature_of_class(thing), None
    node = definition_of(inspect.unwrap(getattr(thing, "__func__", getattr(thing, "fget", thing))))
    if node is None:
        return signature, None
    is_bound = what == "method" and has_owner(node)
    return text_of(node.args, skip_first=is_bound), ast.unparse(without_quotes(node.returns)) if node.returns else None


def has_owner(node: ast.FunctionDef) -> bool:
    """Return whether the first argument is ``self`` or ``cls``."""
    positional = node.args.posonlyargs + node.args.args
    return bool(positional) and positional[0].arg in ("self", "cls")


def signature_of_class(kind: type) -> str:
    """Return how objects of a class are made; nothing for what nobody makes by a call."""
    if issubclass(kind, (enum.Enum, BaseModel)):
        return ""
    owner = next(each for each in kind.__mro__ if "__init__" in vars(each))
    if owner.__module__.startswith("lightpool") and (node := definition_of(vars(owner)["__init__"])) is not None:
        return text_of(node.args, skip_first=True)
    if dataclasses.is_dataclass(kind):
        return signature_of_fields(kind)
    return f"({', '.join(str(each) for each in inspect.signature(kind).parameters.values())})"


def signature_of_fields(kind: type) -> str:
    """Return the signature that a dataclass has because of its fields."""
    types = {}
    for each in reversed(kind.__mro__):
        if dataclasses.is_dataclass(each):
            types |= {
                part.target.id: ast.unparse(without_quotes(part.annotation))
                for part in tree_of(each).body
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
            }
    parts = []
    for name, parameter in inspect.signature(kind).parameters.items():
        star = parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts
        parts += ["*"] * star
        default = "" if parameter.default is parameter.empty else f" = {default_text(parameter.default)}"
        parts.append(f"{name}: {types[name]}{default}")
    return f"({', '.join(parts)})"


def default_text(value: object) -> str:
    """Return a default value; dots for one that is made anew for each object."""
    text = repr(value)
    return "..." if text.startswith("<") else text


def text_of(arguments: ast.arguments, *, skip_first: bool) -> str:
    """Return arguments as the source has them, without ``self`` or ``cls``."""
    if skip_first:
        positional = arguments.posonlyargs or arguments.args
        del positional[0]
    for each in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
        if each is not None and each.annotation is not None:
            each.annotation = without_quotes(each.annotation)
    return f"({ast.unparse(arguments)})"


def without_quotes(annotation: ast.expr) -> ast.expr:
    """Return an annotation that may be a text as what the text says."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def definition_of(function: object) -> ast.FunctionDef | None:
    """Return the definition of a function of ours."""
    if not getattr(function, "__module__", "").startswith("lightpool"):
        return None
    node = tree_of(function)
    return node if isinstance(node, ast.FunctionDef) else None


def tree_of(thing: object) -> ast.stmt | None:
    """Return the source of a function or class as a syntax tree, a new one each time."""
    try:
        return ast.parse(source_of(thing)).body[0]
    except (OSError, TypeError, SyntaxError):
        return None


@cache
def source_of(thing: object) -> str:
    """Return the source of a function or class, not indented."""
    return textwrap.dedent(inspect.getsource(thing))


def setup(app: Sphinx) -> dict[str, bool]:
    """Replace the signatures that autodoc makes."""
    app.connect("autodoc-process-signature", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
