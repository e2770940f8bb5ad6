class Conf:
    allow_internet: bool
    remote_timeout: float

conf: Conf
