"""The checkpoints, and a loaded one that knows words. As in A1111, but for Forge where Gradio is its own."""

import os
from importlib import import_module

import gradio

from modules import paths, shared

FORGE = gradio.__version__.startswith("4.")
model_path = os.path.abspath(os.path.join(paths.models_path, "Stable-diffusion"))
checkpoints_list = {}
memory_management = import_module("backend.memory_management") if FORGE else None


class CheckpointInfo:
    def __init__(self, filename):
        self.filename = filename
        self.title = os.path.basename(filename)


class EmbeddingDatabase:
    def __init__(self):
        self.word_embeddings = {}
        self.reloads = 0

    def load_textual_inversion_embeddings(self, force_reload=False, sync_with_sd_model=True):
        if not (force_reload or FORGE):
            return
        self.reloads += 1
        folder = shared.cmd_opts.embeddings_dir
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        self.word_embeddings = {
            os.path.splitext(name)[0]: name for name in names if name.endswith((".safetensors", ".pt"))
        }


class Engine:
    def __init__(self):
        self.embeddings = EmbeddingDatabase()


class Model:
    def __init__(self, info):
        self.sd_checkpoint_info = info
        self.device = "cuda"
        if FORGE:
            self.text_processing_engine = Engine()


class FakeInitialModel:
    """What Forge has before it has loaded a model."""


class SdModelData:
    def __init__(self):
        self.sd_model = FakeInitialModel() if FORGE else None

    def get_sd_model(self):
        raise AssertionError("an extension has asked for the model, which loads one")


model_data = SdModelData()


def list_models():
    checkpoints_list.clear()
    for folder in (model_path, shared.cmd_opts.ckpt_dir):
        for name in sorted(os.listdir(folder)) if folder and os.path.isdir(folder) else []:
            info = CheckpointInfo(os.path.join(folder, name))
            checkpoints_list[info.title] = info


def select_checkpoint():
    """Raises `FileNotFoundError` if no checkpoints are found."""
    chosen = checkpoints_list.get(shared.opts.data.get("sd_model_checkpoint"))
    if chosen is not None:
        return chosen
    if not checkpoints_list:
        raise FileNotFoundError("No checkpoints found.")
    return next(iter(checkpoints_list.values()))


def load_model():
    model_data.sd_model = Model(select_checkpoint())
    database().load_textual_inversion_embeddings(force_reload=True)


def database():
    if FORGE:
        return model_data.sd_model.text_processing_engine.embeddings
    from modules import sd_hijack  # noqa: PLC0415

    return sd_hijack.model_hijack.embedding_db


def unload_model_weights(sd_model=None, info=None):
    if not FORGE:
        send_model_to_cpu(sd_model or model_data.get_sd_model())
    return sd_model


def send_model_to_cpu(m):
    if not FORGE:
        m.device = "cpu"


def send_model_to_device(m):
    if not FORGE:
        m.device = "cuda"
