"""Models of the background of a dataset, their parameters, and lists of models."""
