"""Feature networks in files that `jax.export` has written: StableHLO and weights, without the code that made them."""

import hashlib
from pathlib import Path

import jax
from jax import export

from gan_cli.data.packed import contents
from gan_cli.errors import DamagedError, InputError
from gan_cli.features.network import Features
from gan_cli.features.probe import check_readable, read_program
from gan_cli.types import Array

LARGEST = 1 << 31  # bytes of a file: feature networks have about a hundred million
CALLS = {  # what a program may ask of XLA by name; any other custom call could be a host callback or a machine kernel
    *("shape_assertion", "Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape", "ApproxTopK"),
    *("stablehlo.dynamic_reduce_window", "stablehlo.dynamic_rng_bit_generator"),
    *("stablehlo.dynamic_top_k", "stablehlo.dynamic_approx_top_k", "cu_threefry2x32_ffi", "hip_threefry2x32_ffi"),
}


def exported(path: Path) -> Features:
    """The network of a file of `jax.export.Exported.serialize()`: images [B, H, W, C] float32 -> [B, D] or a dict.

    B must be symbolic; H, W and C may be. Its classes have no names: `_replace(classes=...)` gives them.
    Raises InputError for a file that is of another form, calls anything outside of XLA, or is so damaged that it cannot
    be read. JAX's parser is made for trusted files, so it is tried in a process of its own (see `probe`); what the
    program then computes has no bounds.
    """
    data, program = _read_checked(path)
    wanted = _input_shape(path, program)
    size = "x".join(map(str, wanted[1:]))  # 28x28x1; names stand for symbolic dimensions

    def apply(images: Array) -> dict[str, Array]:
        fits = zip(images.shape[1:], wanted[1:], strict=True) if len(images.shape) == len(wanted) else [(0, 1)]
        if any(own != side for own, side in fits if not export.is_symbolic_dim(side)):
            given = "x".join(map(str, images.shape[1:]))
            raise InputError(
                f"{path} takes images of {size}, and these are of {given}: resize them, "
                "or export it for this size or for any (symbolic height and width)"
            )
        found: dict[str, Array] = program.call(images)
        return found

    return Features(
        name=str(path),
        hash=hashlib.sha256(data).hexdigest(),
        dim=0,
        classes=(),
        protocol=f"images of {size} in [-1, 1], as they are",
        apply=apply,
    )


def _read_checked(path: Path) -> tuple[bytes, export.Exported]:
    """A file's bytes and the program in them, looked through before anything of it runs."""
    try:
        data = contents(path, LARGEST)
        check_readable(data)
    except DamagedError as error:
        raise InputError(f"{path}: damaged, or not written by jax.export: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        program, calls = read_program(data)
    except ImportError:
        raise InputError(f"{path}: reading it needs the package flatbuffers: pip install flatbuffers") from None
    except Exception as error:  # flatbuffers checks nothing: damage shows as any error at all
        raise InputError(
            f"{path}: damaged, or not written by jax.export of a JAX that this one ({jax.__version__}) can read: "
            f"{type(error).__name__}: {str(error)[:200]}"
        ) from None
    if calls - CALLS:
        raise InputError(f"{path}: it calls {', '.join(sorted(calls - CALLS))}, which could be any code: refused")
    return data, program


def _input_shape(path: Path, program: export.Exported) -> tuple[int, ...]:
    """The shape [B, H, W, C] that a program takes; InputError unless it takes one array of images, on this platform."""
    here = export.default_export_platform()
    if here not in program.platforms:
        raise InputError(
            f"{path}: exported for {', '.join(program.platforms)}, and this is {here}: "
            f"export(..., platforms=({', '.join(map(repr, [*program.platforms, here]))}))"
        )
    one_array: object = jax.tree.structure(((0,), {}))
    if program.nr_devices != 1 or program.in_tree != one_array:
        raise InputError(f"{path}: expected a function of one array, on one device")
    (wanted,) = program.in_avals
    shape: tuple[int, ...] = wanted.shape
    if len(shape) != 4 or wanted.dtype != "float32":
        raise InputError(f"{path}: expected a function of images [B, H, W, C] float32, not of {wanted.str_short()}")
    if not export.is_symbolic_dim(shape[0]):
        raise InputError(
            f"{path}: exported for batches of exactly {shape[0]} images: give it a symbolic batch dimension, "
            'jax.export.symbolic_shape("b")'
        )
    return shape
