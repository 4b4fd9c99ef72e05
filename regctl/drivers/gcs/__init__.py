"""The driver of Google Cloud Storage. Only its `driver` module, when imported, loads the SDK."""
