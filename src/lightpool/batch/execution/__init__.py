"""Who does the work of a batch: this process, processes of this machine or a Dask cluster; and chunks that fail."""
