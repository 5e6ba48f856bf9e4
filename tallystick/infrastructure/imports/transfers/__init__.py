"""Importing transfers from CSV and Parquet."""
