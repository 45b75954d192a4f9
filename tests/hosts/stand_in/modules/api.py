"""What `--api` puts around every request in A1111 and reForge: two middlewares that hand answers on in a task each."""

import time

from starlette.responses import JSONResponse


def create_api(app):
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
