"""Groups of similar observations or datasets, by hierarchical clustering of a table of their features."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.table import Table

__all__ = ["hierarchical_clustering", "standard_scaler"]

_NO_FEATURES = ("obs_id", "dataset_name")
"""Columns that say which row it is."""


def standard_scaler(features: Table) -> Table:
    """Return the features with a mean of zero and a standard deviation of one.

    Parameters
    ----------
    features : `astropy.table.Table`
        One row for each observation; the columns ``obs_id`` and ``dataset_name`` are kept as they are.
    """
    scaled = features.copy()
    for name in features.colnames:
        if name not in _NO_FEATURES:
            values = np.asarray(features[name], dtype=float)
            scaled[name] = (values - values.mean()) / values.std()
    return scaled


def hierarchical_clustering(
    features: Table,
    linkage_kwargs: Mapping[str, Any] | None = None,
    fcluster_kwargs: Mapping[str, Any] | None = None,
) -> Table:
    """Return the features with another column, ``labels``: the number of the group of each row.

    Parameters
    ----------
    features : `astropy.table.Table`, see `standard_scaler`
    linkage_kwargs : dict, optional
        Keywords of `scipy.cluster.hierarchy.linkage`; ``method="ward"``, ``metric="euclidean"`` by default.
    fcluster_kwargs : dict, optional
        Keywords of `scipy.cluster.hierarchy.fcluster`; ``criterion="maxclust"``, ``t=3`` by default.
    """
    from scipy.cluster import hierarchy  # takes longer to import than all packages that offer this function
    from scipy.spatial.distance import pdist

    names = [name for name in features.colnames if name not in _NO_FEATURES]
    distances = pdist(np.stack([np.asarray(features[name], dtype=float) for name in names], axis=1))
    linkage = hierarchy.linkage(distances, **{"method": "ward", "metric": "euclidean", **(linkage_kwargs or {})})
    grouped = features.copy()
    grouped["labels"] = hierarchy.fcluster(linkage, **{"criterion": "maxclust", "t": 3, **(fcluster_kwargs or {})})
    return grouped
