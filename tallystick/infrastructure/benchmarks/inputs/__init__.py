"""What is drawn to be measured."""
