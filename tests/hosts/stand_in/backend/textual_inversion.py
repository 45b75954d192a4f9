"""Forge's database for prompts: each of the loaded model's text encoders has one."""

from modules.textual_inversion import read_folder


class EmbeddingDatabase:
    def __init__(self):
        self.word_embeddings = {}
        self.reloads = 0

    def load_textual_inversion_embeddings(self):
        self.reloads += 1
        self.word_embeddings = read_folder()
