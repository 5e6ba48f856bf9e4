"""Everybody's events in a journal: appended, read one by one or stream by stream, waited for."""
