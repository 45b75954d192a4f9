"""`python -m ti_studio serve`: the WebUI."""

import argparse

from ti_studio.cli.arguments import Commands
from ti_studio.extensions.host import ExtensionHost
from ti_studio.server_options import ServerOptions, add_server_options


def add_serve(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("serve", help="serve the WebUI", description="Serves the WebUI until Ctrl+C.")
    add_server_options(parser)
    parser.set_defaults(run=run, takes_more=True)


def run(options: argparse.Namespace) -> int:
    """Serves, and returns the exit status."""
    server = ServerOptions.from_namespace(options)
    extensions = ExtensionHost.prepared(server)
    # Gradio takes seconds to import, which the other commands need not wait for.
    from ti_studio.web.app import serve  # noqa: PLC0415

    serve(server, extensions)
    return 0
