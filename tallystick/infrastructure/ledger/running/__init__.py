"""Running a function in a block, and again after a conflict, so that everybody is served."""
