"""Jobs over a whole storage."""
