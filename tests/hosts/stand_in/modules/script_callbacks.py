"""What extensions ask to be called for."""

import sys
import traceback
from collections import namedtuple

ScriptCallback = namedtuple("ScriptCallback", ["script", "callback", "name"])
callback_map = {
    f"callbacks_{name}": [] for name in ("app_started", "before_ui", "ui_tabs", "ui_settings", "script_unloaded")
}


def clear_callbacks():
    for callbacks in callback_map.values():
        callbacks.clear()


def add_callback(callbacks, fun, *, name=None):
    caller = sys._getframe(2).f_code.co_filename
    callbacks.append(ScriptCallback(caller, fun, name))


def call(category, *arguments):
    results = []
    for made in callback_map[f"callbacks_{category}"]:
        try:
            results += made.callback(*arguments) or []
        except Exception:  # noqa: BLE001 - a host goes on
            print(f"Error calling: {made.script}/{category}", file=sys.stderr)
            traceback.print_exc()
    return results


def app_started_callback(demo, app):
    call("app_started", demo, app)


def before_ui_callback():
    call("before_ui")


def ui_tabs_callback():
    return call("ui_tabs")


def ui_settings_callback():
    call("ui_settings")


def script_unloaded_callback():
    call("script_unloaded")


def on_app_started(callback, *, name=None):
    add_callback(callback_map["callbacks_app_started"], callback, name=name)


def on_before_ui(callback, *, name=None):
    add_callback(callback_map["callbacks_before_ui"], callback, name=name)


def on_ui_tabs(callback, *, name=None):
    add_callback(callback_map["callbacks_ui_tabs"], callback, name=name)


def on_ui_settings(callback, *, name=None):
    add_callback(callback_map["callbacks_ui_settings"], callback, name=name)


def on_script_unloaded(callback, *, name=None):
    add_callback(callback_map["callbacks_script_unloaded"], callback, name=name)
