"""Losses: what the players minimise."""
