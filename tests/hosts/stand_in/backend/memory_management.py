"""Forge's: it alone moves models, and a picture loads what it needs. After a start nothing is loaded yet."""

current_loaded_models = []


def load_models_gpu(models):
    current_loaded_models.extend(model for model in models if model not in current_loaded_models)


def unload_all_models():
    current_loaded_models.clear()
