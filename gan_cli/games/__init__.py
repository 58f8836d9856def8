"""Games: who trains on what, in which order."""
