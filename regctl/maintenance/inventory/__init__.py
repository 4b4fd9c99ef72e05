"""What a whole storage holds, compactly enough for millions of blobs, and what needs what in it."""
