"""The past index: what every cell was worth after each commit that touched it, derived from the journal and disposable."""
