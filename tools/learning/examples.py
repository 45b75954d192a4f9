"""Draws the example folder for a first training: five pictures and their captions.

python -m tools.learning.examples trizebra examples/trizebra
"""

import sys
from pathlib import Path

from tools.learning.concepts import CONCEPTS, write_dataset

SIDE = 512
"""Large enough for every family's own size; the demo checkpoint takes them smaller."""

if __name__ == "__main__":
    write_dataset(CONCEPTS[sys.argv[1]], Path(sys.argv[2]), SIDE)
