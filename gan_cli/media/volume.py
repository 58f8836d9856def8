"""Volumes: uint8 [D, H, W, C], slices of one body; games see float32 in [-1, 1]."""

from gan_cli.media.medium import Medium, from_levels, to_levels

MEDIUM = Medium(("depth", "height", "width", "channels"), "volumes", "uint8", from_levels, to_levels)
