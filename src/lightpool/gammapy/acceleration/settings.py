"""Where accelerated methods compute, and whether documented differences from Gammapy are accepted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lightpool.arrays import Device, find_device, use_device, use_precision
from lightpool.gammapy.acceleration.messages import kept_messages
from lightpool.gammapy.acceleration.report import Call
from lightpool.utils.deviations import noted_deviations, refused_deviations

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How accelerated methods work.

    Attributes
    ----------
    device : str or None
        Name of the device; None is the default one, see `lightpool.get_default_device`.
    strict : bool
        Whether Gammapy does what would differ from its numbers, see docs/differences.md.
    """

    device: str | None = None
    strict: bool = False

    def found_device(self) -> Device:
        """Return the device."""
        return find_device(self.device)

    @contextmanager
    def applied(self, call: Call) -> Iterator[None]:
        """Compute with these settings; differences and warnings are noted in the record of a call, or refused.

        Parameters
        ----------
        call : Call
        """
        # Double precision as in Gammapy, whatever the default of lightpool is.
        with use_device(self.found_device()), use_precision("double"), kept_messages() as messages:
            if self.strict:
                with refused_deviations():
                    yield
            else:
                with noted_deviations() as differences:
                    yield
                for difference in differences:
                    call.differs(difference)
        call.messages += messages
