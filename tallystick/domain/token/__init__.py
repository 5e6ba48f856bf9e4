"""One token: its cells, its escrow, its accounts, and what may happen to them."""
