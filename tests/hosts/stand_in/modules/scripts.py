"""Loads `extensions/*/scripts/*.py`; the extension's folder is on the path, and `basedir` right, only meanwhile."""

import os
import sys
import traceback
from pathlib import Path

from modules.paths import extensions_dir, script_path

from modules import script_callbacks, script_loading

AlwaysVisible = object()
scripts_data = []
current_basedir = script_path


class Script:
    def title(self):
        raise NotImplementedError

    def ui(self, is_img2img):
        pass

    def show(self, is_img2img):
        return True

    def before_process(self, p, *args):
        pass


def basedir():
    return current_basedir


def list_scripts(scriptdirname, extension):
    folders = sorted(path for path in Path(extensions_dir).iterdir() if path.is_dir())
    listed = [path for folder in folders for path in sorted((folder / scriptdirname).glob("*"))]
    return [(str(path.parent.parent), str(path)) for path in listed if path.suffix == extension and path.is_file()]


def load_scripts():
    global current_basedir  # noqa: PLW0603 - as the hosts have it
    scripts_data.clear()
    script_callbacks.clear_callbacks()
    syspath = sys.path
    for folder, path in list_scripts("scripts", ".py"):
        try:
            if folder != script_path:
                sys.path = [folder, *sys.path]
            current_basedir = folder
            module = script_loading.load_module(path)
            for made in module.__dict__.values():
                if type(made) is type and issubclass(made, Script) and made is not Script:
                    scripts_data.append(made())
        except Exception:  # noqa: BLE001 - a host goes on
            print(f"Error loading script: {os.path.basename(path)}", file=sys.stderr)
            traceback.print_exc()
        finally:
            sys.path = syspath
            current_basedir = script_path


def reload_scripts():
    load_scripts()


def before_process(p):
    for script in scripts_data:
        if script.show(False) is AlwaysVisible:
            script.before_process(p)
