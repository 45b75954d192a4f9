"""A small host that loads extensions as A1111, reForge and Forge do, on their own Gradio: all the rules, no model.

`python webui.py --port 7860`, in a folder that has `extensions/` and `models/Stable-diffusion/`.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from modules.paths import extensions_dir, script_path
from modules.shared_cmd_options import cmd_opts

from modules import api, initialize_util, script_callbacks, scripts, sd_models, shared, ui, ui_gradio_extensions


def run_extensions_installers() -> None:
    """As `launch_utils` does it: each in a process of its own, before anything else, with the host on its path."""
    for folder in sorted(Path(extensions_dir).iterdir()):
        installer = folder / "install.py"
        if not installer.is_file():
            continue
        environment = {**os.environ, "PYTHONPATH": os.path.abspath(".")}
        result = subprocess.run(
            f'"{sys.executable}" "{installer}"',
            shell=True,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        print(result.stdout, result.stderr)


def webui() -> None:
    """Serves, again after each "Reload UI", until the process ends."""
    while True:
        script_callbacks.before_ui_callback()
        shared.demo = ui.create_ui()
        shared.demo.queue(64)
        accounts = [tuple(account.split(":", 1)) for account in (cmd_opts.gradio_auth or "").split(",") if account]
        app, _, _ = shared.demo.launch(
            server_name="0.0.0.0" if cmd_opts.listen else None,
            server_port=cmd_opts.port,
            ssl_keyfile=cmd_opts.tls_keyfile,
            ssl_certfile=cmd_opts.tls_certfile,
            ssl_verify=cmd_opts.disable_tls_verify,
            auth=accounts or None,
            prevent_thread_lock=True,
            root_path=f"/{cmd_opts.subpath}" if cmd_opts.subpath else "",
            allowed_paths=[script_path],
            quiet=True,
        )
        initialize_util.setup_middleware(app)
        ui.setup_ui_api(app)
        if cmd_opts.api:
            api.create_api(app)
        script_callbacks.app_started_callback(shared.demo, app)
        print("Startup time: ready", flush=True)
        while not shared.state.need_restart:
            time.sleep(0.1)
        shared.state.need_restart = False
        shared.demo.close()
        time.sleep(0.5)
        script_callbacks.script_unloaded_callback()
        scripts.reload_scripts()
        ui_gradio_extensions.reload_javascript()


def main() -> None:
    """Starts the host."""
    os.chdir(script_path)
    run_extensions_installers()
    sd_models.list_models()
    shared.opts.load(Path(script_path) / "config.json")
    scripts.load_scripts()
    sd_models.load_model()
    ui_gradio_extensions.reload_javascript()
    print(json.dumps({"pid": os.getpid()}), flush=True)
    webui()


if __name__ == "__main__":
    main()
