"""Forge's: it alone moves models, and a picture loads what it needs again."""

loaded = True


def unload_all_models():
    global loaded  # noqa: PLW0603 - as the host has it
    loaded = False
