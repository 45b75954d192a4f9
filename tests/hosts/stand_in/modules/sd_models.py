"""The checkpoints, and a loaded one that knows words. As in A1111, but for Forge where Gradio is its own."""

import os
from importlib import import_module
from types import SimpleNamespace

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


class Engine:
    def __init__(self):
        self.embeddings = import_module("backend.textual_inversion").EmbeddingDatabase()


class TextEncoder:
    def encode_embedding_init_text(self, init_text, nvpt):
        return init_text


class Model:
    def __init__(self, info):
        self.sd_checkpoint_info = info
        self.device = "cuda"
        if FORGE:
            self.text_processing_engine = Engine()
        else:
            self.cond_stage_model = TextEncoder()

    def parameters(self):
        yield SimpleNamespace(device=SimpleNamespace(type=self.device))


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
    database().load_textual_inversion_embeddings(**({} if FORGE else {"force_reload": True}))


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
