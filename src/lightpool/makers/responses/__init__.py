"""The responses of an observation on the pixels of a dataset."""
