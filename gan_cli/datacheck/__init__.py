"""`gan data check`: the examples of a recipe looked at one by one, and what in them would spoil a training."""
