"""Buckets: what the commits of one span of the journal touched, sorted and never changed; and dense columns between them."""
