from astropy.units import Quantity

c: Quantity
