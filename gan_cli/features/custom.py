"""A person's own feature network: Python outside of this package, a package's entry point, or an exported program.

What is named is run, as with `python file.py`: only names that the person who runs the program has typed come here.
"""

import functools
import hashlib
import importlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from jax.tree_util import Partial

from gan_cli.binding import nearest
from gan_cli.errors import InputError
from gan_cli.features.network import FEATURES, OWN, Features
from gan_cli.types import Array, Shape

SUFFIX = ".jaxexport"  # of a file written by jax.export
GROUP = "gan_cli.features"  # the entry points by which a package adds networks
TOLERANCE = 1e-3  # of the largest feature: by how much an image's features may change with the rest of its batch


def find_custom(name: str, shape: Shape = ()) -> Features:
    """The network that `name` leads to; the same object each time, for the same current folder and image shape.

    name: `package.module:function`, `path/file.py:function` or `path/file.jaxexport`, relative to the current folder,
    or an entry point of the group "gan_cli.features". A function without required arguments makes the network, a
    function of images is the network. shape: (H, W, C) of the images. With it the network is tried on two images, and
    what it does not state is filled in: dim, the names of classes, and in the hash the arrays that it holds. Without it
    dim is 0. Raises InputError for a name that leads nowhere, and for anything that goes wrong on the way.
    """
    return _fitted(name, Path.cwd(), shape)


def installed() -> dict[str, EntryPoint]:
    """The networks that installed packages add, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@functools.cache
def _loaded(name: str, _: Path) -> tuple[Features, str]:
    """The network as it is stated, and the SHA-256 of the files that its code is in; cached by name and current folder.

    Its own hash is empty where it states none.
    """
    if name in installed():
        with _explained(f"--features {name}"):
            entry = installed()[name]
            return _made(name, entry.load(), importlib.import_module(entry.module))
    if name.endswith(SUFFIX):
        from gan_cli.features.artefact import exported

        return _stated(name, exported(Path(name).expanduser())), ""
    if ":" not in name:
        known = nearest(name, [*FEATURES.names(), *installed()])
        raise InputError(f"features = {name!r}: no such feature network{known}; {OWN}")
    target, _colon, attribute = name.rpartition(":")
    module = _module(target)
    if not hasattr(module, attribute):
        own = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise InputError(f"--features {name}: {target} has no {attribute!r}{nearest(attribute, own)}")
    return _made(name, getattr(module, attribute), module)


def _module(target: str) -> ModuleType:
    """A file that ends in .py, as a module of its own, or an importable module by its dotted name.

    A file cannot import what lies beside it, as it could with PYTHONPATH.
    """
    if target.endswith(".py"):
        path = Path(target).expanduser()
        if not path.is_file():
            raise InputError(f"--features {path}: no such file in {Path.cwd()}")
        key = f"gan_features_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
        module = ModuleType(key)
        module.__file__ = str(path)
        sys.modules[key] = module  # dataclasses and the like look their module up
        with _explained(f"--features {path}: cannot be loaded"):
            # not from a .pyc, which can be older than what is hashed
            exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
        return module
    if not all(part.isidentifier() for part in target.split(".")):
        raise InputError(f"--features {target}: neither a module's name nor a file's that ends in .py")
    mend = f"; for the file write {target}.py:function" if Path(f"{target}.py").is_file() else ""
    with _explained(f"--features {target}: cannot be imported", mend):
        return importlib.import_module(target)


def _made(name: str, given: Any, module: ModuleType) -> tuple[Features, str]:
    """The network that a function makes, or is, and the SHA-256 of the files that the code is in."""
    # the module named, and the one that it has the function from
    function = inspect.unwrap(given) if callable(given) else None
    origin = sys.modules.get(function.__module__) if inspect.isfunction(function) else None
    files = dict.fromkeys(file for found in (module, origin) if (file := getattr(found, "__file__", None)))
    if not files:
        raise InputError(f"--features {name}: it is in no file, so that a number could not say what measured it")
    content = hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()
    if callable(given) and not isinstance(given, Features) and _takes_nothing(given):
        with _explained(f"--features {name}"):
            given = given()
    if isinstance(given, Features):
        return _stated(name, given), content
    if not callable(given):
        raise InputError(
            f"--features {name}: gave a {type(given).__name__}, and what is wanted is a Features, or a function of "
            "images [B, H, W, C] that returns features [B, D]"
        )
    return _stated(name, Features("", "", 0, (), "", given)), content


def _takes_nothing(function: Callable[..., Any]) -> bool:
    """Whether a function can be called without arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a function written in C, without a signature
        return False
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def _stated(name: str, network: Features) -> Features:
    """The network with a name and a protocol where it states none, and outputs as every metric expects them."""
    if FEATURES.has(network.name):
        raise InputError(f"--features {name}: {network.name!r} is the name of a shipped network: give it another")
    if isinstance(network.classes, str) or not callable(network.apply):
        raise InputError(f"--features {name}: Features.classes must be a tuple of names, Features.apply a function")
    stated = network.apply
    call = stated.func if isinstance(stated, Partial) else stated

    def apply(*given: Any, **keywords: Any) -> dict[str, Array]:
        with _explained(f"--features {name}: does not run on images {list(given[-1].shape)}"):
            raw = call(*given, **keywords)
        return _outputs(raw, len(given[-1]), name, network)

    return network._replace(
        name=network.name or name,
        classes=tuple(map(str, network.classes)),
        protocol=network.protocol or f"as given by {name}",
        apply=Partial(apply, *stated.args, **stated.keywords) if isinstance(stated, Partial) else apply,
    )


def _outputs(raw: Any, n: int, name: str, network: Features) -> dict[str, Array]:
    """The outputs of a network for n images, as float32; InputError unless they have the form of `Features.apply`."""
    found = raw if isinstance(raw, Mapping) else {"features": raw}
    wanted = {"features", *network.others} | ({"logits"} if network.classes else set())
    if wanted - found.keys():
        lacking = ", ".join(sorted(wanted - found.keys()))
        raise InputError(f"--features {name}: it returns {', '.join(map(str, found)) or 'nothing'}, without {lacking}")
    for key, value in found.items():
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", np.void)
        if shape is None or not (jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)):
            kind = f"of {value.dtype}" if hasattr(value, "dtype") else f"a {type(value).__name__}"
            raise InputError(f"--features {name}: its {key} are not an array of real numbers, but {kind}")
        flat = key not in ("features", "logits") or len(shape) == 2
        if not flat or shape[:1] != (n,) or 0 in shape:
            raise InputError(
                f"--features {name}: of {n} images its {key} have the shape {list(shape)}; expected [{n}, numbers]: "
                "flatten or average what else there is"
            )
    for key, size in (("features", network.dim), ("logits", len(network.classes))):
        if size and found[key].shape[1] != size:
            raise InputError(f"--features {name}: it states {size} {key} of an image, and gives {found[key].shape[1]}")
    return {key: jnp.asarray(value, jnp.float32) for key, value in found.items()}


@functools.cache
def _fitted(name: str, folder: Path, shape: Shape) -> Features:
    """The network for images of one shape: traced, tried, and completed by what the trial shows."""
    network, content = _loaded(name, folder)
    if not shape:
        return network._replace(hash=network.hash or content)
    images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    traced, found = jax.make_jaxpr(network.apply, return_shape=True)(images)
    with _explained(f"--features {name}: does not run on images {list(images.shape)}"):
        _try(name, network, shape)
    own = network.hash
    if not own:  # the code's, and where it holds arrays, that of these in any order, too
        held = {hashlib.sha256(f"{a.dtype}{a.shape}".encode() + a.tobytes()).hexdigest() for a in arrays(traced)}
        own = hashlib.sha256("".join([content, *sorted(held)]).encode()).hexdigest() if held else content
    logits = found["logits"].shape[1] if "logits" in found else 0
    return network._replace(
        hash=own,
        dim=found["features"].shape[1],
        classes=network.classes or tuple(f"logit {i}" for i in range(logits)),  # which class it is, nobody has said
        others=network.others or tuple(sorted(found.keys() - {"features", "logits"})),
    )


def arrays(traced: ClosedJaxpr) -> Iterator[np.ndarray]:
    """Every array that a traced function holds, wherever it has read it: its weights."""
    for constant in traced.consts:
        is_key = jnp.issubdtype(constant.dtype, jax.dtypes.prng_key)
        yield np.asarray(jax.random.key_data(constant) if is_key else constant)
    for equation in traced.jaxpr.eqns:
        yield from (np.asarray(x.val) for x in equation.invars if isinstance(x, Literal) and np.ndim(x.val))
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(inner, (ClosedJaxpr, Jaxpr)):
                    yield from arrays(inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ()))


def _try(name: str, network: Features, shape: Shape) -> None:
    """Run it twice on two images; InputError for outputs that are not finite or depend on the rest of the batch.

    Batches are filled up with black images and divided between devices, so that the latter would falsify every number.
    """
    bits = np.random.Philox(np.random.SeedSequence(0)).random_raw(2 * int(np.prod(shape))).reshape(2, *shape)
    images = (bits % 256).astype(np.float32) / 127.5 - 1
    run = jax.jit(network.apply)
    first, again = run(images), run(np.stack([images[0], np.full(shape, -1, np.float32)]))
    for key, values in first.items():
        one, other = np.asarray(values)[0], np.asarray(again[key])[0]
        if not (np.isfinite(values).all() and np.isfinite(other).all()):
            raise InputError(f"--features {name}: its {key} of random images in [-1, 1] are not finite")
        if not np.allclose(one, other, rtol=0, atol=TOLERANCE * max(1e-30, abs(one).max())):
            raise InputError(
                f"--features {name}: the {key} of an image change with the other images of its batch; "
                "batch normalisation must use its running averages, as in evaluation"
            )


@contextmanager
def _explained(what: str, mend: str = "") -> Iterator[None]:
    """Raise InputError, with the line of a person's code, in the place of whatever that code raises."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
        others = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"), "<")
        own = [f for f in frames if not f.filename.startswith(others)]
        where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
        raise InputError(
            f"{what}: {type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}{where}{mend}"
        ) from error
