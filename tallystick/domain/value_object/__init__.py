"""Money in fragments: the value objects that a fragmented token's balances are made of."""
