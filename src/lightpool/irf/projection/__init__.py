"""From response tables to the pixels of a map: node tables, their weights, and their projection."""
