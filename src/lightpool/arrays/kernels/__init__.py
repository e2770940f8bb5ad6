"""The numerics: functions from arrays to arrays, on any device."""
