"""gan: train, sample and judge generative adversarial networks on JAX."""

__version__ = "0.1.0"
