from typing import Any

import numpy as np
from numpy.typing import NDArray

def rotation_matrix(angle: Any, axis: str = ...) -> NDArray[np.float64]: ...
