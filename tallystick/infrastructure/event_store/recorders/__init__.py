"""The library's recorders over the log."""
