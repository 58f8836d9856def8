"""What one program made of one set of features. Nothing but the standard library: both environments import it."""

from typing import NamedTuple


class Record(NamedTuple):
    """A number of theirs."""

    key: str  # as `gan eval` names the same number
    program: str  # whose code it is, with its function or options
    value: float
    alike: bool = True  # by the same definition, of the same images: else it is shown apart, and may differ
    of: str = ""  # the set of features
