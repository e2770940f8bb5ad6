"""Files of datasets: FITS, OGIP and YAML."""
