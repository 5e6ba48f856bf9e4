"""Importing files and event stores, so that again changes nothing."""
