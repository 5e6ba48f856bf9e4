"""The review: whether what is recorded is what the rules allow, asked of the rules themselves."""
