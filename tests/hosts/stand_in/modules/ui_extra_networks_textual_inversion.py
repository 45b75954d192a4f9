"""The page of cards. Forge's reads a database of its own, A1111's the one that prompts use."""

from modules.textual_inversion import EmbeddingDatabase

from modules import sd_models

if sd_models.FORGE:
    embedding_db = EmbeddingDatabase()
    embedding_db.load_textual_inversion_embeddings(force_reload=True, sync_with_sd_model=False)


def list_items():
    return (embedding_db if sd_models.FORGE else sd_models.database()).word_embeddings
