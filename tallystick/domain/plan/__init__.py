"""A plan: what a block of code asks for, checked call by call, and executed when the block ends."""
