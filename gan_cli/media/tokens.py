"""Sequences of tokens: int32 [T], each the number of a word in `Spec.words`; games see them as they are."""

from gan_cli.media.medium import Medium, unchanged

MEDIUM = Medium(("length",), "sequences", "int32", unchanged, unchanged)
