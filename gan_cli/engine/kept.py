"""Programs and shapes kept beside the compilation cache, so that the next process need not trace them again.

CACHE/programs/KEY   the SHA-256 of what follows; the results as JSON; StableHLO as MLIR bytecode

KEY is a digest of all that shapes a program, the source of this package included. A program is code: it is only read
where nobody but this user can have written it. What is damaged or missing is made anew. A program just lowered takes
the same way into the compiler, and the compilation cache, as one that was kept: both compute the same bits.
"""

import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import mlir
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import func

from gan_cli import door, files
from gan_cli.devices import share
from gan_cli.engine.state import flat, unflat
from gan_cli.errors import DamagedError, StorageError
from gan_cli.remote import user_cache
from gan_cli.version import versions

ROOT = Path(__file__).parents[1]  # of the source
MOST = 500  # files that are kept; those written first go
LARGEST = 1 << 28  # bytes of a file
OTHERS_WRITE = 0o022  # bits of a folder's mode
PASSING = ("cache", "log", "debug", "traceback", "profil")  # words in names of settings that shape no program
SHARDING = {"Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape"}  # custom calls of which nobody has to be told


class Program(NamedTuple):
    """A function of arrays, lowered."""

    code: bytes  # MLIR bytecode
    results: tuple[tuple[str, tuple[int, ...], str], ...]  # the name, shape and dtype of each


class Kept:
    """A function of arrays compiled for one device, by a program that may be kept from another process."""

    def __init__(self, function: Callable[..., Any], about: Sequence[str], donate: Sequence[int], result: Any):
        self._function, self._about, self._donate, self._result = function, about, donate, result
        self._compiled: dict[Any, Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Run the program on the arguments."""
        compiled, leaves = self._found(arguments)
        return self._result(compiled(*leaves), *arguments)

    def lower(self, *arguments: Any) -> Any:
        """What `jax.jit(function).lower` returns, for the program itself: a flat list of arrays is its arguments."""
        compiled, leaves = self._found(arguments)
        return compiled.lower(*leaves)

    def _found(self, arguments: tuple[Any, ...]) -> tuple[Any, list[Any]]:
        """The compiled function of the arguments' leaves, and these."""
        leaves = dict(sorted(flat(arguments).items()))
        avals = tuple((name, x.shape, str(x.dtype)) for name, x in leaves.items())
        if avals not in self._compiled:
            like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)
            given = [i for i, name in enumerate(leaves) if int(name.partition(".")[0]) in self._donate]
            # looked for while this is traced: again, that is, when settings of JAX have changed
            self._compiled[avals] = jax.jit(
                lambda *leaves: _caller(self._function, self._about, avals, like)(*leaves), donate_argnums=given
            )
        return self._compiled[avals], list(leaves.values())


def program(
    function: Callable[..., Any],
    about: Sequence[str],
    *,
    donate: Sequence[int] = (),
    result: Callable[..., Any] = lambda leaves, *_: leaves[""] if leaves.keys() == {""} else leaves,
) -> Callable[..., Any]:
    """Compile `function` for one device: pytrees of arrays -> an array, or the leaves of its result by name.

    `about` says what the function is: two functions of different meaning must differ in it, in their arguments' names
    (`state.flat`), shapes or dtypes, or in this package's source. With an empty word in it nothing is kept. Arguments
    may be pytrees, or their leaves by name: the function has to take both. The buffers of the arguments `donate` are
    given up. `result(leaves, *arguments)` may put the leaves together. What comes back cannot be differentiated or
    mapped.
    """
    return Kept(function, about, donate, result) if all(about) else jax.jit(function, donate_argnums=donate)


def shared(
    function: Callable[[Any, Any], Any], devices: Sequence[jax.Device], about: Sequence[str]
) -> Callable[[Any, Any], Any]:
    """`devices.share`, as a `program` where one device does all the work."""
    together = share(function, devices)
    return together if len(devices) > 1 or jax.process_count() > 1 else program(together, about)


def data(about: Sequence[str], make: Callable[[], Any]) -> Any:
    """Plain data that `make` computes from what `about` says, and from this package's source: kept as JSON."""
    path = _path("data", *about) if all(about) else None
    if (content := _read(path)) is not None:
        return door.parse_json(content)
    made = make()
    _write(path, json.dumps(made).encode())
    return made


def _caller(function: Callable[..., Any], about: Sequence[str], avals: Any, like: Any) -> Callable[..., Any]:
    """The function of a flat list of arrays that calls the program: the kept one, or else the one made now."""

    def flattened(*leaves: Any) -> Any:
        names = (name for name, *_ in avals)
        return flat(function(*unflat(dict(zip(names, leaves, strict=True)), like)))

    path = _path("program", *about, avals)
    content = _read(path)
    if content is None:
        shapes = [jax.ShapeDtypeStruct(shape, dtype) for _, shape, dtype in avals]
        lowered = jax.jit(flattened, keep_unused=True).lower(*shapes)
        module: Any = lowered.compiler_ir("stablehlo")
        if not _calls(module) <= SHARDING:
            return flattened  # what it calls is only known to XLA once JAX has lowered it
        results = [(name, list(x.shape), str(x.dtype)) for name, x in sorted(lowered.out_info.items())]
        content = json.dumps(results).encode() + b"\n" + mlir.module_to_bytecode(module)
        _write(path, content)
    head, _, code = content.partition(b"\n")
    kept = Program(code, tuple((name, tuple(shape), dtype) for name, shape, dtype in door.parse_json(head)))
    names = [name for name, *_ in kept.results]
    return lambda *leaves: dict(zip(names, _call.bind(*leaves, program=kept), strict=True))


def _calls(module: Any) -> set[str]:
    """What a lowered module calls beside XLA's own operations, by name."""
    text = module.operation.get_asm(large_elements_limit=16)
    return set(re.findall(r"stablehlo\.custom_call @([\w.]+)", text))


_call = Primitive("kept_program")
_call.multiple_results = True


@_call.def_abstract_eval
def _results(*_: Any, program: Program) -> list[Any]:
    return [jax.core.ShapedArray(shape, np.dtype(dtype)) for _, shape, dtype in program.results]


def _lower(context: mlir.LoweringRuleContext, *arguments: Any, program: Program) -> Any:
    """Put the program into the module of its caller."""
    around = context.module_context
    with around.module.context:
        inner = ir.Module.parse(program.code)
    name = mlir.merge_mlir_modules(around.module, "kept", inner, dst_symtab=around.symbol_table)
    kinds = [mlir.aval_to_ir_type(around, x) for x in context.avals_out]
    return func.CallOp(kinds, ir.FlatSymbolRefAttr.get(name), arguments).results


mlir.register_lowering(_call, _lower)


def digest(*parts: Any) -> str:
    """The SHA-256 of plain data, hexadecimal."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _surroundings() -> str:
    """A digest of what shapes every program of this process: source, versions, flags, devices."""
    source = [
        (str(path.relative_to(ROOT)), found.st_size, found.st_mtime_ns)
        for path in sorted(ROOT.rglob("*"))
        if path.suffix in (".py", ".json")
        for found in (path.stat(),)
    ]
    flags = [os.environ.get(name) for name in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")]
    devices = [(device.platform, device.device_kind) for device in jax.devices()]
    return digest(source, versions(), sys.version, flags, devices)


def _path(*about: Any) -> Path | None:
    """The file for what is kept about something; None where there is no folder that only this user can write."""
    folder = user_cache() / "programs"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(folder)
    except OSError:
        return None
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & OTHERS_WRITE
    settings = [  # those of this thread, where it has its own
        f"{name} = {getattr(jax.config, name, value)!r}"
        for name, value in jax.config.values.items()
        if not any(word in name for word in PASSING)
    ]
    return folder / digest(_surroundings(), settings, *about) if is_own else None


def _read(path: Path | None) -> bytes | None:
    """What is kept in a file; None where it is missing or damaged."""
    if path is None:
        return None
    try:
        sum_, _, content = door.read_file(path, LARGEST).partition(b"\n")
    except DamagedError:
        return None
    return content if sum_ == hashlib.sha256(content).hexdigest().encode() else None


def _write(path: Path | None, content: bytes) -> None:
    """Keep something in a file, and drop what was written first; where that cannot be, it is made again next time."""
    if path is None:
        return
    with suppress(OSError, StorageError):
        with files.atomic(path) as temporary:
            temporary.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        for old in sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime)[:-MOST]:
            old.unlink(missing_ok=True)
