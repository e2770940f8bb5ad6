"""Reduce the chunks of a batch: in this process, in processes on this machine or on a Dask cluster; handle failures."""
