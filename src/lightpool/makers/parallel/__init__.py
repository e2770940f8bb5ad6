"""Work distributed over processes of this machine."""
