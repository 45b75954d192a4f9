"""sd-scripts' command for SDXL checkpoints; see docs/sd-scripts.md.

accelerate launch --num_cpu_threads_per_process 1 sdxl_train_textual_inversion.py --help
"""

import sys

from train_textual_inversion import main

if __name__ == "__main__":
    sys.exit(main(sdxl=True))
