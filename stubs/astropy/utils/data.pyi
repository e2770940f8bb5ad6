from contextlib import AbstractContextManager

class Conf:
    allow_internet: bool
    remote_timeout: float
    def set_temp(self, attr: str, value: bool | float) -> AbstractContextManager[None]: ...

conf: Conf
