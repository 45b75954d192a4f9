"""`/sdapi/v1/extensions`."""

from fastapi import APIRouter

from ti_studio.extensions.host import ExtensionHost
from ti_studio.extensions.repositories import version_of
from ti_studio.web.server.views import View


class ExtensionItem(View):
    """An extension, as A1111 lists it; texts are empty and the date is 0 where its folder is no git repository."""

    name: str
    """Its folder's name."""
    remote: str
    branch: str
    commit_hash: str
    version: str
    """The first digits of the commit's hash."""
    commit_date: int
    """Unix seconds."""
    enabled: bool


def extensions_routes(extensions: ExtensionHost) -> APIRouter:
    """Returns the route that lists extensions; `/ti/extensions` tells what went wrong in them, too."""
    router = APIRouter()

    @router.get("/extensions")
    def list_extensions() -> list[ExtensionItem]:
        """Lists the extensions."""
        return [_item(extensions, name, enabled) for name, enabled in extensions.enabled_by_name.items()]

    return router


def _item(extensions: ExtensionHost, name: str, enabled: bool) -> ExtensionItem:
    version = version_of(extensions.folder / name)
    return ExtensionItem(
        name=name,
        remote=version.remote,
        branch=version.branch,
        commit_hash=version.commit_hash,
        version=version.commit,
        commit_date=version.timestamp,
        enabled=enabled,
    )
