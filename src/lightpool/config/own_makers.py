"""Makers of users that settings name as ``module:Class``. Reading settings runs none of their code, building does."""

import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from types import ModuleType

from lightpool.config.batch_settings import BatchSettings
from lightpool.config.makers import OwnMakerSettings
from lightpool.config.settings import Settings
from lightpool.errors import ConfigError
from lightpool.makers import Maker, MapDatasetMaker, SpectrumDatasetMaker
from lightpool.maps import Map
from lightpool.typing import JSONValue
from lightpool.utils.user_modules import import_by_name, module_version, require_as_imported

__all__ = [
    "build_own_maker",
    "own_class",
    "own_code",
    "require_own_code_as_imported",
    "require_place",
    "takes_exclusion_mask",
]

_MASK = "exclusion_mask"


def own_class(step: OwnMakerSettings) -> type[Maker]:
    """Import the class of a maker.

    Parameters
    ----------
    step : OwnMakerSettings

    Raises
    ------
    ImportError
        If its module cannot be imported.
    TypeError
        If the name in it is missing, or is not a class of makers.
    """
    module = _module(step)
    path = step.class_name
    found: object = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise TypeError(f"{module.__file__} has no {path!r}; {_classes_in(module, name)}") from error
        except Exception as error:  # whatever code of users raises
            raise TypeError(f"{path!r} in {module.__file__} raised {type(error).__name__}: {error}") from error
    if not isinstance(found, type):
        raise TypeError(f"{path!r} in {module.__file__} is a {type(found).__name__}, expected a class of makers")
    if not issubclass(found, Maker):
        raise TypeError(
            f"the class {path!r} in {module.__file__} is no maker; derive it from lightpool.makers.Maker, with a "
            "method run(dataset, observation) that returns a dataset"
        )
    if missing := sorted(found.__abstractmethods__):
        raise TypeError(f"the class {path!r} in {module.__file__} lacks the method {', '.join(missing)}")
    return found


def _module(step: OwnMakerSettings) -> ModuleType:
    return import_by_name(step.module, step.folders)


def _classes_in(module: ModuleType, name: str) -> str:
    """Return the makers that a module defines, as a hint."""
    makers = [
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Maker) and value.__module__ == module.__name__
    ]
    if near := get_close_matches(name, makers, n=1):
        return f"did you mean {near[0]!r}?"
    return f"its makers are {', '.join(makers)}" if makers else "it defines no class of makers"


def require_place(kind: type[Maker], number: int, what: str) -> None:
    """Refuse a maker that cannot stand at its place: the first one, and no other, makes the maps of an observation.

    Parameters
    ----------
    kind : type of Maker
    number : int
        Its place, 0 for the first one.
    what : {"map", "spectrum"}
        What the target is.

    Raises
    ------
    TypeError
        If it stands at the wrong place.
    """
    if number:
        if issubclass(kind, MapDatasetMaker):  # SpectrumDatasetMaker is one too
            raise TypeError(f"it bins the events, as a {kind.__mro__[1].__name__}, and must be the first maker")
        return
    expected = SpectrumDatasetMaker if what == "spectrum" else MapDatasetMaker
    if issubclass(kind, MapDatasetMaker) and issubclass(kind, SpectrumDatasetMaker) != (what == "spectrum"):
        raise TypeError(f"it bins the events, and that of a {what} must be derived from {expected.__name__}")
    if kind.reads_maps:
        raise TypeError(
            "the first maker is given a dataset without values and makes its maps; derive it from "
            f"{expected.__name__}, set reads_maps = False if it makes all of them, or put it after that maker"
        )


def takes_exclusion_mask(kind: type[Maker]) -> bool:
    """Return whether the constructor of a maker has an argument for the exclusion mask of its target.

    Parameters
    ----------
    kind : type of Maker
    """
    return _MASK in inspect.signature(kind).parameters


def build_own_maker(step: OwnMakerSettings, kind: type[Maker], mask: Map | None) -> Maker:
    """Create a maker of a user.

    Parameters
    ----------
    step : OwnMakerSettings
    kind : type of Maker
        See `own_class`.
    mask : Map or None
        Exclusion mask of the target, for makers that take one.

    Raises
    ------
    TypeError, ValueError
        If its options are not those of its constructor, or the constructor refuses them.
    """
    options: dict[str, JSONValue | Map] = dict(step.options)
    signature = inspect.signature(kind)
    if takes_exclusion_mask(kind):
        if _MASK in options:
            raise ValueError(f"got the option {_MASK}, which is made of the exclusion of the target; remove it")
        options[_MASK] = mask
    try:
        signature.bind(**options)
    except TypeError as error:
        raise TypeError(_wrong_options(step, signature.parameters, str(error))) from error
    try:
        return kind(**options)
    except (Exception, SystemExit) as error:  # whatever code of users raises
        raise ValueError(f"its constructor raised {type(error).__name__}: {error}") from error


def _wrong_options(step: OwnMakerSettings, parameters: Mapping[str, inspect.Parameter], reason: str) -> str:
    named = [name for name, each in parameters.items() if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    known = [name for name in named if name != _MASK]
    surplus = [name for name in step.options if name not in known]
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    if surplus and not takes_any:
        near = get_close_matches(surplus[0], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"its options are {', '.join(known) or 'none'}"
        return f"unknown option {surplus[0]!r}; {hint}"
    missing = [
        name for name in known if parameters[name].default is inspect.Parameter.empty and name not in step.options
    ]
    if missing:
        return f"the option {', '.join(map(repr, missing))} is missing"
    return f"its constructor cannot be called with the options {', '.join(step.options) or 'none'}: {reason}"


def own_code(settings: BatchSettings) -> dict[str, str]:
    """Return the version of the module of each maker of a user in the settings; see `module_version`.

    The modules of its base classes, other than those of lightpool, are included.

    Parameters
    ----------
    settings : BatchSettings

    Raises
    ------
    ConfigError
        If one cannot be imported.
    """
    found: dict[str, str] = {}
    for step, module in _modules(settings):
        with _named(step):
            found[module.__name__] = module_version(module, step.folders)
    return dict(sorted(found.items()))


def require_own_code_as_imported(settings: BatchSettings) -> None:
    """Refuse makers of users whose sources have changed since this process imported them.

    Parameters
    ----------
    settings : BatchSettings

    Raises
    ------
    ConfigError
        If they have, or cannot be imported.
    """
    for step, module in _modules(settings):
        with _named(step):
            require_as_imported(module, step.folders)


def _modules(settings: BatchSettings) -> Iterator[tuple[OwnMakerSettings, ModuleType]]:
    if not isinstance(settings, Settings):
        return
    for target in settings.targets:
        for step in target.makers:
            if isinstance(step, OwnMakerSettings):
                with _named(step):
                    modules = [inspect.getmodule(kind) for kind in own_class(step).__mro__]
                    modules.append(_module(step))
                for module in modules:
                    if module is not None and _is_of_users(module):
                        yield step, module


def _is_of_users(module: ModuleType) -> bool:
    first = module.__name__.partition(".")[0]
    return first != "lightpool" and first not in sys.stdlib_module_names


@contextmanager
def _named(step: OwnMakerSettings) -> Iterator[None]:
    try:
        yield
    except (ImportError, TypeError, ValueError, OSError) as error:
        raise ConfigError(f"the maker {step.type} cannot be used: {error}") from error
