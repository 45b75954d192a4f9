"""Where the host lies."""

import os

script_path = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
models_path = os.path.join(script_path, "models")
extensions_dir = os.path.join(script_path, "extensions")
