"""gan: train, sample and judge generative adversarial networks on JAX."""

from typing import TYPE_CHECKING, Any

from gan_cli.version import __version__

if TYPE_CHECKING:
    from gan_cli.model import Model, Samples, load

__all__ = ["Model", "Samples", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import the Python API when it is first used: `gan --help` needs no JAX."""
    if name in ("Model", "Samples", "load"):
        from gan_cli.backend import importing_jax

        with importing_jax():
            from gan_cli import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
