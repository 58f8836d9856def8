"""The engine: gradients, optimisers, devices, averaging, checkpoints; it knows no GAN by name."""
