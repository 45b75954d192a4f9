"""The database of embeddings that A1111 has, and that Forge has kept for its lists: what a folder holds, when asked."""

import hashlib
import os

from modules import shared


def read_folder():
    """Returns a digest of each embedding's file by its word."""
    folder = shared.cmd_opts.embeddings_dir
    words = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        word, ending = os.path.splitext(name)
        if ending in (".safetensors", ".pt"):
            with open(os.path.join(folder, name), "rb") as file:
                words[word] = hashlib.sha256(file.read()).hexdigest()[:10]
    return words


class EmbeddingDatabase:
    def __init__(self):
        self.word_embeddings = {}
        self.reloads = 0

    def load_textual_inversion_embeddings(self, force_reload=False, sync_with_sd_model=True):
        if not force_reload:
            return
        if sync_with_sd_model:
            self.get_expected_shape()
        self.reloads += 1
        self.word_embeddings = read_folder()

    def get_expected_shape(self):
        """Asks the model, which Forge's can't answer."""
        from modules import sd_models  # noqa: PLC0415

        return sd_models.model_data.sd_model.cond_stage_model.encode_embedding_init_text
