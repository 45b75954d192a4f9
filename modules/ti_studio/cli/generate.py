"""`python -m ti_studio generate`: pictures from a prompt."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from ti_studio.cli.arguments import Commands, add_model_options, add_request_options, read_folders, read_request
from ti_studio.embeddings.library.library import Library
from ti_studio.generation.events import DenoisingProgress, Loading, Notice, Picture
from ti_studio.generation.request import GenerateRequest
from ti_studio.generation.samplers import sampler_names
from ti_studio.generation.service import Txt2ImgService

_EPILOG = f"""samplers: {", ".join(sampler_names())}

example:
  python -m ti_studio generate --prompt "a photo of my-cat in the snow" --count 4 --seed 1 --output pictures"""


def add_generate(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "generate",
        help="make pictures from a prompt",
        description="Makes pictures with seeds --seed, --seed+1, … and prints their paths. The words in the embeddings "
        "folder can be used in the prompt by their names.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_request_options(parser, GenerateRequest)
    parser.add_argument("--ckpt", help="the checkpoint's title or path [the first one, which is the demo]")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write the PNGs [outputs/txt2img/<date>]")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Paints, and returns the exit status."""
    request = read_request(GenerateRequest, options)
    folders = read_folders(options)
    service = Txt2ImgService(folders, Library(folders.embeddings, folders.cache), options.ckpt)
    interval = 0.1 if sys.stderr.isatty() else 10.0
    with tqdm(total=request.steps, unit="step", dynamic_ncols=True, mininterval=interval) as bar:
        for event in service.generate(request, options.output):
            match event:
                case DenoisingProgress():
                    bar.total = event.steps
                    bar.update(event.step - bar.n)
                case Picture():
                    bar.write(str(event.path), file=sys.stdout)
                case Loading() | Notice():
                    bar.write(event.text, file=sys.stderr)
    return 0
