"""regctl: work on a container registry's storage directly."""

__version__ = "0.1.0"
