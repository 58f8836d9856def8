"""The version of this package, which pyproject.toml reads from here, and those of the packages it counts on."""

__version__ = "0.1.0"
NAME = "gan-cli"  # as pip has it
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")  # whose versions can move a number


def versions() -> dict[str, str]:
    """Return the installed versions of this package and of PACKAGES, by name."""
    from importlib.metadata import version  # takes a while to import, and `gan --help` does without

    return {NAME: __version__, **{name: version(name) for name in PACKAGES}}
