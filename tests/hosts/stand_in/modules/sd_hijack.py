"""A1111's and reForge's database of embeddings. Forge has the module too, and no database in it."""

from modules.textual_inversion import EmbeddingDatabase

from modules import sd_models


class StableDiffusionModelHijack:
    def __init__(self):
        if not sd_models.FORGE:
            self.embedding_db = EmbeddingDatabase()


model_hijack = StableDiffusionModelHijack()
