"""The journal: the format of a commit, the port to what keeps it, and which store an address means."""
