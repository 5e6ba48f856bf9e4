"""Reading: what a ledger answers, out of its books or out of the journal."""
