"""What networks are made of: layers, norms, and how convolutions are computed on a CPU and elsewhere."""
