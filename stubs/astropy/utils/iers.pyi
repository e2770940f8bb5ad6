class Conf:
    auto_download: bool

conf: Conf
