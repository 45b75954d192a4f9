"""Lets `python -m ti_studio` be the command line."""

import os
import sys


def main() -> int:
    """Sets what libraries read while they are imported, and runs the command line."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Threads that spin while they wait slow down a training beside the server, and the server beside a training.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from ti_studio.cli import main as run  # noqa: PLC0415 - after the lines above

    return run()


if __name__ == "__main__":
    sys.exit(main())
