"""DL3 response tables: their classes, the rules for their axes and columns, and their files."""
