from modules import script_callbacks

script_callbacks.on_ui_tabs(lambda: 1 / 0)

import modules.processing  # noqa: E402, F401
