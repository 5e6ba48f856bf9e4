"""What must be true of any journal, checked apart from the code that decides."""
