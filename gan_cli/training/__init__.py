"""A recipe and its data -> a run folder."""
