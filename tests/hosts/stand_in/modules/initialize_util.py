"""The middleware that the hosts put before a server that runs already."""

import starlette.middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware


def setup_middleware(app):
    app.middleware_stack = None
    app.user_middleware = [made for made in app.user_middleware if made.cls.__name__ != "CORSMiddleware"]
    app.user_middleware.insert(0, starlette.middleware.Middleware(GZipMiddleware, minimum_size=1000))
    cors = {"allow_methods": ["*"], "allow_headers": ["*"], "allow_credentials": True}
    app.user_middleware.insert(0, starlette.middleware.Middleware(CORSMiddleware, **cors))
    app.build_middleware_stack()
