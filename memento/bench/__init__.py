"""memento bench: ways to choose cases, side by side."""
