"""What is worked out from the rows of the journal, in their order: projections, and all movements as columns."""
