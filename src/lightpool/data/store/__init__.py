"""The index files of a data store: made from event files, checked, and copied with the files that they list."""
