"""What is run to make parts of the repository; not installed."""
