"""Work shared between processes of this machine."""
