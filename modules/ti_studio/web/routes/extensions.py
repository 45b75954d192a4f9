"""`/ti/extensions`: what is loaded and what went wrong, enabling, installing; `/ti/options` for extensions' scripts."""

import json
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from ti_studio.errors import NotFound, StudioError
from ti_studio.extensions.host import ExtensionHost
from ti_studio.extensions.repositories import clone, version_of
from ti_studio.path_fields import NewName
from ti_studio.web.server.errors import ErrorView
from ti_studio.web.server.views import View


class OnlyShown(StudioError):
    """Extensions may not be changed over the network."""

    status = 403


class ExtensionView(View):
    """One extension."""

    name: str
    """Its folder's name."""
    enabled: bool
    """Whether the settings enable it, for the next start."""
    loaded: bool
    """Whether this server has loaded it."""
    commit: str
    date: str
    remote: str
    """What git says of its folder; empty where it is no repository."""
    problems: list[str]
    """What went wrong, oldest first."""
    remarks: list[str]
    """What has no effect here."""


class ExtensionsView(View):
    """All extensions."""

    folder: str
    disabled_by: str
    """Why none is loaded; empty if those that are enabled are."""
    only_shown: str
    """Why they can't be changed from the page; empty if they can."""
    settings_problem: str
    """What is wrong with the file of the settings; empty if nothing."""
    restart_needed: bool
    """Whether the next start loads others than this one."""
    extensions: list[ExtensionView]


class Enabling(BaseModel):
    """Which extensions the next start loads; those that are not named stay as they are."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    enabled: dict[str, bool]


class Installing(BaseModel):
    """Which extension to get."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    url: str
    """Of its git repository."""
    name: NewName = ""
    """Its folder's name; empty: the address's last part."""
    branch: str = ""


def extensions_routes(extensions: ExtensionHost) -> APIRouter:
    """Returns the routes."""
    router = APIRouter(
        prefix="/ti", tags=["extensions"], responses={status: {"model": ErrorView} for status in (403, 404, 409, 422)}
    )

    @router.get("/extensions")
    def list_extensions() -> ExtensionsView:
        """Lists the extensions with what went wrong in them."""
        return _view(extensions)

    @router.put("/extensions")
    def enable(body: Enabling) -> ExtensionsView:
        """Enables and disables extensions for the next start."""
        _require_changeable(extensions)
        unknown = sorted(set(body.enabled) - set(extensions.enabled_by_name))
        if unknown:
            raise NotFound(f"There is no extension {unknown[0]!r} in {extensions.folder}.")
        extensions.want(body.enabled)
        return _view(extensions)

    @router.post("/extensions", status_code=201)
    def install(body: Installing) -> ExtensionsView:
        """Gets an extension with git; the next start installs what it needs and loads it."""
        _require_changeable(extensions)
        clone(body.url.strip(), extensions.folder, body.name.strip(), body.branch.strip())
        return _view(extensions)

    @router.get("/options")
    def options() -> dict[str, Any]:
        """Returns the settings, as extensions' JavaScript has them in `opts`."""
        values: dict[str, Any] = json.loads(extensions.options.dumpjson())
        return values

    return router


def _require_changeable(extensions: ExtensionHost) -> None:
    if extensions.only_shown:
        raise OnlyShown(extensions.only_shown)


def _view(extensions: ExtensionHost) -> ExtensionsView:
    loaded = {extension.name for extension in extensions.active}
    enabled_by_name = extensions.enabled_by_name
    listed = []
    for name, enabled in enabled_by_name.items():
        version = version_of(extensions.folder / name)
        listed.append(
            ExtensionView(
                name=name,
                enabled=enabled,
                loaded=name in loaded,
                commit=version.commit,
                date=version.date,
                remote=version.remote,
                problems=extensions.boundary.problems(name),
                remarks=extensions.boundary.remarks(name),
            )
        )
    return ExtensionsView(
        folder=str(extensions.folder),
        disabled_by=extensions.disabled_by,
        only_shown=extensions.only_shown,
        settings_problem=extensions.options.trouble,
        restart_needed=not extensions.disabled_by
        and {name for name, enabled in enabled_by_name.items() if enabled} != loaded,
        extensions=listed,
    )
