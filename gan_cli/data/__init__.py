"""Data: sources of examples, and the batches that the engine reads."""
