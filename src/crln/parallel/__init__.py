"""One training in several processes: rows of a batch, layers that see all of it, launch."""
