import sys

from modules.paths import extensions_dir

import launch

if not launch.is_installed("pillow"):
    launch.run_pip("install pillow", "pillow for greeter")
launch.run([sys.executable, "-c", "print('greeter has all it needs')"])
sys.stdout.write(f"extensions are in {extensions_dir}\n")
