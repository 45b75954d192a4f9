"""sd-scripts' command for SD 1 or SD 2 checkpoints; see docs/sd-scripts.md.

accelerate launch --num_cpu_threads_per_process 1 train_textual_inversion.py --help
"""

import os
import sys
from pathlib import Path


def main(*, sdxl: bool) -> int:
    """Sets what libraries read while they are imported, and runs the command."""
    sys.path.insert(0, str(Path(__file__).resolve().parent / "modules"))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see ti_studio.__main__
    from ti_studio.cli.sd_scripts import main as run  # noqa: PLC0415 - after the lines above

    return run(sys.argv[1:], sdxl=sdxl)


if __name__ == "__main__":
    sys.exit(main(sdxl=False))
