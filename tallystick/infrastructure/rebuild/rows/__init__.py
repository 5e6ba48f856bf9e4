"""Tables that have a row for what happened, and grow with the journal."""
