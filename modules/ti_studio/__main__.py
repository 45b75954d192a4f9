"""Lets `python -m ti_studio` be the command line."""

import sys

from ti_studio.cli import main

if __name__ == "__main__":
    sys.exit(main())
