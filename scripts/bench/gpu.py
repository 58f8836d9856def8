"""Whether the GPU cases can run here."""

import subprocess
import sys
from pathlib import Path

ASK_JAX = "import jax; print(jax.default_backend() == 'gpu')"
ASK_TORCH = "import torch; print(torch.cuda.is_available())"


def why_not(torch: str, devices: Path = Path("/dev")) -> str:
    """Why the GPU cases cannot run, in words; empty when both sides see a GPU."""
    if not any(devices.glob("nvidia[0-9]*")):
        return "this machine has no NVIDIA GPU"
    for python, ask, who in ((sys.executable, ASK_JAX, "JAX"), (torch, ASK_TORCH, "PyTorch")):
        answer = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False).stdout
        if answer.strip() != "True":
            return f"{who} ({python}) does not see the GPU: install its CUDA build there"
    return ""
