"""Going back in time: a ledger as it stood, a scratch ledger that goes on from there, and what lies between two states."""
