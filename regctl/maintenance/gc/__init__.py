"""Reclaiming space: what is kept and done on the storage, below the decision what is garbage."""
