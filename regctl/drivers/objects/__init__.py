"""What the drivers of object stores have in common; no SDK is imported here."""
