"""Measures of the source: types, documentation, lengths, private names and cycles of imports.

``python tests/code_measures.py [folder ...]`` prints them for folders of ``src/lightpool``, with what falls short.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "lightpool"
MAX_FUNCTION, MAX_CLASS = 60, 500
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Share:
    """Some of many things, and where those are that count against the code."""

    total: int = 0
    against: list[str] = field(default_factory=list)

    def count(self, is_against: bool, where: str) -> None:
        self.total += 1
        if is_against:
            self.against.append(where)

    @property
    def fraction(self) -> float:
        return len(self.against) / max(self.total, 1)


def files_in(*folders: Path) -> list[Path]:
    return sorted({path for folder in folders for path in ([folder] if folder.suffix else folder.rglob("*.py"))})


def tree_of(path: Path) -> ast.Module:
    return _parsed(path.read_text(), str(path))


@cache
def _parsed(text: str, name: str) -> ast.Module:
    return ast.parse(text, name)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name != "_exit"  # `os._exit` is documented


def public_functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Public functions and the methods of public classes; not those inside of functions, nor signatures alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function) and not is_private(child.name):
            if not _is_ellipsis(child.body[-1]):
                yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef) and not is_private(child.name):
            yield from public_functions(child, f"{prefix}{child.name}.")


def _is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...


def parameters_of(function: Function) -> list[ast.arg]:
    a = function.args
    found = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(each for each in (a.vararg, a.kwarg) if each is not None)]
    return [each for each in found if each.arg not in ("self", "cls")]


def is_any(annotation: ast.expr | None) -> bool:
    return isinstance(annotation, ast.Name) and annotation.id == "Any"


def bare_any(paths: list[Path]) -> tuple[Share, Share]:
    """Parameters and returned values of public functions whose type is ``Any``; ``**kwargs: Any`` counts too."""
    parameters, returns = Share(), Share()
    for path in paths:
        for name, function in public_functions(tree_of(path)):
            where = f"{path.relative_to(SOURCE)}:{function.lineno} {name}"
            for each in parameters_of(function):
                parameters.count(is_any(each.annotation), f"{where}({each.arg})")
            if function.returns is not None:
                returns.count(is_any(function.returns), where)
    return parameters, returns


def without_parameters_section(paths: list[Path]) -> Share:
    """Public functions with two or more parameters whose docstring does not describe them."""
    found = Share()
    for path in paths:
        for name, function in public_functions(tree_of(path)):
            if len(parameters_of(function)) < 2 or name.rpartition(".")[2].startswith("__"):
                continue
            text = ast.get_docstring(function) or ""
            found.count("Parameters\n----------" not in text, f"{path.relative_to(SOURCE)}:{function.lineno} {name}")
    return found


def too_long(paths: list[Path]) -> list[str]:
    """Functions and classes that cannot be read in one sitting."""
    found = []
    for path in paths:
        for node in ast.walk(tree_of(path)):
            limit = (
                MAX_FUNCTION if isinstance(node, Function) else MAX_CLASS if isinstance(node, ast.ClassDef) else None
            )
            if limit is not None and node.end_lineno - node.lineno + 1 > limit:
                found.append(
                    f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1}"
                )
    return found


def _own_private_names(tree: ast.Module) -> set[str]:
    """Private names that a module defines: functions, classes, variables, attributes of its classes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node.value):
            found.add(node.attr)
    return {name for name in found if is_private(name)}


def foreign_private_names(paths: list[Path]) -> list[str]:
    """Uses of private names of other modules: imported, or as attributes of anything but ``self``."""
    found = []
    for path in paths:
        tree, name = tree_of(path), path.relative_to(SOURCE)
        own = _own_private_names(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
                if not _is_own(node.value):
                    found.append(f"{name}:{node.lineno} {ast.unparse(node)}")
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lightpool"):
                found += [f"{name}:{node.lineno} {node.module}.{a.name}" for a in node.names if is_private(a.name)]
    return found


def _is_own(node: ast.expr) -> bool:
    """Whether an expression is ``self``, ``cls`` or ``super()``."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def module_of(name: str, source: Path) -> Path | None:
    """File of a module of the package, or of the module that a name is imported from."""
    parts = name.split(".")[1:]
    while parts:
        base = source.joinpath(*parts)
        if base.with_suffix(".py").exists():
            return base.with_suffix(".py")
        if (base / "__init__.py").exists():
            return base / "__init__.py"
        parts.pop()
    return None


def imports_of(path: Path) -> set[Path]:
    """Modules of the package that a file imports: at its top, inside functions, and for its types alone.

    A name that a package shows is followed to the module that defines it.
    """
    found = set()
    for node in ast.walk(tree_of(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{each.name}" for each in node.names]
        for name in names:
            if name.startswith("lightpool.") and (module := _definition(name, SOURCE)) is not None:
                found.add(module)
    return found - {path}


@cache
def _definition(name: str, source: Path) -> Path | None:
    module = module_of(name, source)
    if module is None or module.name != "__init__.py":
        return module
    shown = name.rpartition(".")[2]
    for node in tree_of(module).body:
        if isinstance(node, ast.ImportFrom) and shown in [each.asname or each.name for each in node.names]:
            return _definition(f"{node.module}.{shown}", source)
    return module


def import_cycles(*, without: str = "plot") -> list[list[str]]:
    """Groups of modules that import each other, in whatever way; one package, imported within methods, is left out."""
    paths = [path for path in files_in(SOURCE) if path.relative_to(SOURCE).parts[0] != without]
    graph = {
        path: {each for each in imports_of(path) if each.relative_to(SOURCE).parts[0] != without} for path in paths
    }
    return sorted(
        sorted(str(path.relative_to(SOURCE)) for path in group) for group in _components(graph) if len(group) > 1
    )


def _components(graph: dict[Path, set[Path]]) -> list[list[Path]]:
    """Strongly connected components (Tarjan 1972, SIAM J. Comput. 1, 146)."""
    order: dict[Path, int] = {}
    low: dict[Path, int] = {}
    stack: list[Path] = []
    found: list[list[Path]] = []

    def visit(node: Path) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            found.append(group)

    for node in graph:
        if node not in order:
            visit(node)
    return found


def report(folders: list[str]) -> str:
    paths = files_in(*(SOURCE / each for each in folders)) if folders else files_in(SOURCE)
    names = {str(path.relative_to(SOURCE)) for path in paths}
    parameters, returns = bare_any(paths)
    undocumented = without_parameters_section(paths)
    private = foreign_private_names(paths)
    cycles = [cycle for cycle in import_cycles() if names.intersection(cycle)]
    lines = [*parameters.against, *returns.against, "", *undocumented.against, "", *private, "", *too_long(paths), ""]
    lines += [" ".join(cycle) for cycle in cycles]
    lines += [
        f"bare Any: {len(parameters.against)} of {parameters.total} parameters ({parameters.fraction:.1%}), "
        f"{len(returns.against)} of {returns.total} returns ({returns.fraction:.1%})",
        f"no Parameters section: {len(undocumented.against)} of {undocumented.total} ({undocumented.fraction:.1%})",
        f"private names of others: {len(private)}; too long: {len(too_long(paths))}; cycles of imports: {len(cycles)}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report(sys.argv[1:]))
