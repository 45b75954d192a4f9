"""What `--api` adds: the list of embeddings, of which Forge keeps a database of its own; and around every request in
A1111 and reForge two middlewares that hand answers on in a task each.
"""

import time

from modules.textual_inversion import EmbeddingDatabase
from starlette.responses import JSONResponse

from modules import call_queue, sd_models


class Api:
    def __init__(self, app):
        app.add_api_route("/sdapi/v1/embeddings", self.get_embeddings, methods=["GET"])
        app.add_api_route("/sdapi/v1/refresh-embeddings", self.refresh_embeddings, methods=["POST"])
        if sd_models.FORGE:
            self.embedding_db = EmbeddingDatabase()
            self.embedding_db.load_textual_inversion_embeddings(force_reload=True, sync_with_sd_model=False)

    def get_embeddings(self):
        return (self.embedding_db if sd_models.FORGE else sd_models.database()).word_embeddings

    def refresh_embeddings(self):
        with call_queue.queue_lock:
            if sd_models.FORGE:
                self.embedding_db.load_textual_inversion_embeddings(force_reload=True, sync_with_sd_model=False)
            else:
                sd_models.database().load_textual_inversion_embeddings(force_reload=True)


def create_api(app):
    if not sd_models.FORGE:
        add_middlewares(app)
    return Api(app)


def add_middlewares(app):
    @app.middleware("http")
    async def log_and_time(req, call_next):
        began = time.time()
        res = await call_next(req)
        res.headers["X-Process-Time"] = str(round(time.time() - began, 4))
        return res

    @app.middleware("http")
    async def exception_handling(request, call_next):
        try:
            return await call_next(request)
        except Exception as e:  # noqa: BLE001 - as the hosts have it
            return JSONResponse({"error": type(e).__name__, "errors": str(e)}, status_code=500)
