"""Files of observations: opened once, found by the rows of an index, read and written part by part."""
