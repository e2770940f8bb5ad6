"""The public names: those in ``__all__`` of packages, of ``lightpool.errors`` and of ``lightpool.typing``."""

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import lightpool

MODULES = ("lightpool.errors", "lightpool.typing")
"""Modules that are public, and no packages."""


@dataclass(frozen=True)
class Name:
    """A public name.

    Attributes
    ----------
    package : str, such as ``lightpool.makers``
    name : str, such as ``SafeMaskMaker``
    kind : str, one of ``class``, ``function``, ``module`` and ``data``
    home : str
        Where it is described, such as ``lightpool.makers.SafeMaskMaker``: a name that several packages show is
        described once, and one of another project by that project.
    """

    package: str
    name: str
    kind: str
    home: str

    @property
    def path(self) -> str:
        """The package and the name."""
        return f"{self.package}.{self.name}"

    @property
    def page(self) -> str:
        """Name of the page about it; ``Constant`` and ``constant`` are the same file on some systems."""
        lower = self.name.lower()
        others = [each for each in shown_modules()[self.package].__all__ if each.lower() == lower]
        return f"{self.path}-class" if len(others) > 1 and self.kind == "class" else self.path

    @property
    def is_described_here(self) -> bool:
        """Whether this is the place where it is described."""
        return self.path == self.home


@cache
def shown_modules() -> dict[str, ModuleType]:
    """Return, by their names, the packages with ``__all__``, public modules, and modules that a package lists."""
    names = [each.name for each in pkgutil.walk_packages(lightpool.__path__, "lightpool.") if each.ispkg]
    found = {"lightpool": lightpool}
    for name in [*names, *MODULES]:
        module = importlib.import_module(name)
        if hasattr(module, "__all__"):
            found[name] = module
            found |= {each: importlib.import_module(each) for each in modules_listed_in(module)}
    return dict(sorted(found.items()))


def modules_listed_in(package: ModuleType) -> list[str]:
    """Return the paths of the modules that a package has in its ``__all__``."""
    return [
        f"{package.__name__}.{name}"
        for name in package.__all__
        if inspect.ismodule(getattr(package, name, None)) or not hasattr(package, name)
    ]


@cache
def public_names() -> tuple[Name, ...]:
    """Return all public names, package by package."""
    places: dict[int, list[str]] = {}
    modules = shown_modules()
    for package, module in modules.items():
        for name in module.__all__:
            if f"{package}.{name}" not in modules:
                places.setdefault(id(getattr(module, name)), []).append(f"{package}.{name}")
    found = []
    for package, module in modules.items():
        for name in sorted(module.__all__, key=str.lower):
            path = f"{package}.{name}"
            if path in modules:
                found.append(Name(package, name, "module", path))
                continue
            thing = getattr(module, name)
            found.append(Name(package, name, kind_of(thing), home_of(thing, places[id(thing)])))
    return tuple(found)


def kind_of(thing: object) -> str:
    """Return what a public object is."""
    if inspect.isclass(thing):
        return "class"
    return "function" if inspect.isroutine(thing) else "data"


def home_of(thing: object, places: list[str]) -> str:
    """Return where an object is described: in the first package around its module, or by the project that it is of."""
    module = getattr(thing, "__module__", None) or ""
    if kind_of(thing) in ("class", "function") and module.partition(".")[0] != "lightpool":
        return f"{public_module_of(thing)}.{thing.__name__}"
    around = [place for place in places if f"{module}.".startswith(f"{place.rpartition('.')[0]}.")]
    return min(around or places, key=lambda place: (place.count("."), place))


def public_module_of(thing: type) -> str:
    """Return the shortest path of modules that shows a class of another project."""
    parts = thing.__module__.split(".")
    for length in range(1, len(parts)):
        module = importlib.import_module(".".join(parts[:length]))
        if getattr(module, thing.__name__, None) is thing:
            return module.__name__
    return thing.__module__
