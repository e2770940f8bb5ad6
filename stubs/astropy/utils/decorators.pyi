from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])

def deprecated(
    since: str,
    message: str = "",
    name: str = "",
    alternative: str = "",
    pending: bool = False,
    obj_type: str | None = None,
    warning_type: type[Warning] = ...,
) -> Callable[[F], F]: ...
def deprecated_renamed_argument(
    old_name: str,
    new_name: str | None,
    since: str,
    arg_in_kwargs: bool = False,
    relax: bool = False,
    pending: bool = False,
    warning_type: type[Warning] = ...,
    alternative: str = "",
    message: str | None = None,
) -> Callable[[F], F]: ...
