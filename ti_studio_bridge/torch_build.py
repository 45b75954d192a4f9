"""Which build of torch a machine needs: CUDA's for an NVIDIA GPU, else the CPU's, which is a tenth as large.

Standard library only: `install.py` uses this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

CUDA_INDEX = "https://download.pytorch.org/whl/cu130"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
NVIDIA_FILES = ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/usr/lib/wsl/lib/nvidia-smi")
"""What Linux has of an NVIDIA GPU, in a container without `nvidia-smi` and in WSL too."""
ROCM_FILE = "/dev/kfd"
"""What Linux has of an AMD GPU that computes."""
PROBE = ("--disable-pip-version-check", "--retries", "1", "--timeout", "15")


def has_nvidia_gpu(files: Sequence[str] = NVIDIA_FILES) -> bool:
    """Tells whether this machine has an NVIDIA GPU; in doubt it has."""
    return shutil.which("nvidia-smi") is not None or any(os.path.exists(file) for file in files)


def has_amd_gpu() -> bool:
    """Tells whether this is Linux with an AMD GPU that computes."""
    return os.path.exists(ROCM_FILE)


def own_index(platform: str, *, has_nvidia: bool) -> str:
    """Returns the index of PyTorch's that has the build for a machine; empty where the package index has it.

    The package index has CUDA's build for Linux, and the CPU's for Windows and macOS.

    Args:
        platform: `sys.platform`.
        has_nvidia: whether it has an NVIDIA GPU.
    """
    if platform == "win32" and has_nvidia:
        return CUDA_INDEX
    return CPU_INDEX if platform == "linux" and not has_nvidia else ""


def cpu_build(python: Path, release: str) -> list[str] | None:
    """Returns pip's arguments for the CPU's build of a release, or None where that is not to be had.

    The indexes that pip is set up with may have it, such as a mirror; else PyTorch's own is asked, which may be out of
    reach. What torch requires is left for later: a mirror that has all of it may be the only index in reach.
    """
    version = f"{release}+cpu"
    for index in ([], ["--extra-index-url", CPU_INDEX]):
        if version in _offered(python, index):
            return ["--no-deps", f"torch=={version}", *index]
    return None


def _offered(python: Path, index: Sequence[str]) -> set[str]:
    """Returns the versions of torch that pip finds for a Python, none where it finds no index."""
    command = [str(python), "-m", "pip", "index", "versions", "torch", *PROBE, *index]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    lists = (line.partition(":")[2] for line in result.stdout.splitlines() if line.startswith("Available versions:"))
    return {version.strip() for line in lists for version in line.split(",")}
