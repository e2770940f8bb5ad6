"""Checksums of HDUs (FITS standard 4.0, 4.4.2.7 and appendix J)."""

import numpy as np

from lightpool.fits.large_file import FileBytes

__all__ = ["ones_complement_sum"]

_CARRY = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


def ones_complement_sum(buffer: FileBytes, start: int, stop: int) -> int:
    """Sum the 32-bit words of some bytes, adding the carries again at the lower end.

    Parameters
    ----------
    buffer : bytes or LargeFile
    start, stop : int, first byte and the one after the last; bytes that are missing to a whole word count as zero
    """
    if not isinstance(buffer, bytes):
        buffer, start, stop = buffer[start:stop], 0, stop - start
    n_word = (stop - start) // 4
    # 64 bits hold the carries of 2**32 words, more than a file may have.
    total = np.sum(np.frombuffer(buffer, ">u4", n_word, start), dtype=np.uint64)
    rest = buffer[start + 4 * n_word : stop]
    total += np.uint64(int.from_bytes(rest.ljust(4, b"\0")))
    # Adding the carries may give a carry again.
    while total > _LOW:
        total = (total & _LOW) + (total >> _CARRY)
    return int(total)
