"""Group commit: whoever comes first commits for all who wait, as one durable row."""
