"""One contract: its balance, the shadow space that it bounds, and what may happen to them."""
