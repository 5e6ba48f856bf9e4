"""How the books lie in memory, for speed: accounts by handle, fragments as packed integers, and what is frozen of both.

No rule about money stands here, and no form of a file. What is kept outside of memory leaves and comes back as plain facts and
columns (`frozen_books`, `tables`); how those are written is for whoever keeps them.
"""
