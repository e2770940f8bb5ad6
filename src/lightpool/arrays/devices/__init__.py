"""Devices and array libraries: finding them, moving arrays between them, their memory, and values that wait on them."""
