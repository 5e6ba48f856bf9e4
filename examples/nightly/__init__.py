"""A job of the night: tables worked out anew from the journal, checked, put in place of yesterday's; it raises an alarm."""
