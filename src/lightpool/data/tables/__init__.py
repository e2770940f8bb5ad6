"""Event lists and good times as plain arrays: columns, times, intervals, faults, and the GADF layout of tables."""
