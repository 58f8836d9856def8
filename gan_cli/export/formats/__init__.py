"""Export formats: `find_format("onnx")` is the function `onnx` of `gan_cli/export/formats/onnx.py`, called.

A new format is one file with one factory of its own name, which returns all that is to be known of it. Nothing else
names formats one by one but `gan card` and `gan push`, which choose one program and one file of weights.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from gan_cli.binding import call, kind, validate_part
from gan_cli.engine.sampler import Inputs
from gan_cli.runs.load import Loaded


class Format(NamedTuple):
    """A form in which a model leaves this package: how it is written, read back and explained.

    It is a program, which `run` runs, or else holds weights, of which `difference` tells whether they arrived.
    """

    name: str  # of its module, and on the command line
    file: str  # its name in a folder; a single file has the same suffix
    write: Callable[[Loaded, bool, Mapping[str, Any]], bytes]  # (model, raw weights?, its `description`) -> the file
    about: str  # Markdown: what {file} is; its user has to install {needs}
    opening: str  # of the reader script: opens the file at {path}, a program by the name of `program`
    imports: tuple[str, ...]  # lines of the reader script
    needs: str = ""  # packages that the reader script imports, as pip takes them
    extra: str = ""  # of this package: has the modules that writing needs; empty: nothing beyond what is always there
    modules: tuple[str, ...] = ()
    runtime: str = ""  # what runs the program, as a model card says it
    call: str = ""  # of the reader script: the samples that `program` makes of `inputs`, an expression
    run: Callable[[bytes, Inputs], np.ndarray] | None = None  # (the program, inputs [n, ...]) -> samples [n, ...]
    difference: Callable[[bytes, Loaded, bool], float] | None = None  # (file, model, raw?): the largest of any weight
    facts: Mapping[str, Any] = {}  # what sampler.json says of the program besides its inputs and outputs
    ending: str = ""  # Markdown: what else one can do with {file}


FORMAT = kind("export format", "format", "gan_cli.export.formats", Format)


def find_format(name: str) -> Format:
    """The format of this name; raises InputError for an unknown one, with the nearest valid name."""
    found: Format = call(FORMAT, validate_part(FORMAT, name, "--"))
    return found
