from numpy import float64, void
from numpy.typing import ArrayLike, NDArray

class ErfaWarning(UserWarning): ...

def apco13(
    utc1: ArrayLike,
    utc2: ArrayLike,
    dut1: ArrayLike,
    elong: ArrayLike,
    phi: ArrayLike,
    hm: ArrayLike,
    xp: ArrayLike,
    yp: ArrayLike,
    phpa: ArrayLike,
    tc: ArrayLike,
    rh: ArrayLike,
    wl: ArrayLike,
) -> tuple[NDArray[void], NDArray[float64]]: ...
def atciqz(rc: ArrayLike, dc: ArrayLike, astrom: NDArray[void]) -> tuple[NDArray[float64], NDArray[float64]]: ...
def atioq(
    ri: ArrayLike, di: ArrayLike, astrom: NDArray[void]
) -> tuple[NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64]]: ...
