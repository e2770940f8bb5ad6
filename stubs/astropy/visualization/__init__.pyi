from contextlib import AbstractContextManager
from typing import Any

from matplotlib.colors import Normalize
from numpy.typing import ArrayLike

class ImageNormalize(Normalize): ...

def quantity_support(format: str = ...) -> AbstractContextManager[None]: ...
def simple_norm(data: ArrayLike, stretch: str = ..., **kwargs: Any) -> ImageNormalize: ...
