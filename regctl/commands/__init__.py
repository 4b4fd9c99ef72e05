"""The commands, one module each: parse, call the core, show the result."""
