"""What is asked here of the past is asked of the journal and of the past index."""

from tests.support.ways_to_the_past import way

__all__ = ("way",)
