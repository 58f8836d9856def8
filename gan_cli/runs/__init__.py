"""Runs: the folder that a training fills, and what is done with it afterwards."""
