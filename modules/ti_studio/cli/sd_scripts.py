"""The commands `train_textual_inversion.py` and `sdxl_train_textual_inversion.py`, with sd-scripts' options."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path

from ti_studio.errors import StudioError
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo, identify
from ti_studio.models.families import SDXL
from ti_studio.training.sd_scripts.command_line import read_options
from ti_studio.training.sd_scripts.plan import Plan, read_plan

INTERRUPTED = 130
"""The exit status after Ctrl+C, as shells have it."""


def main(arguments: Sequence[str], *, sdxl: bool) -> int:
    """Runs a command and returns the exit status: 0, 1 after an error that was told, 2 for wrong arguments, 130 after
    Ctrl+C."""
    prog = "sdxl_train_textual_inversion.py" if sdxl else "train_textual_inversion.py"
    try:
        plan = read_plan(read_options(arguments, prog))
        # torch and the models take seconds to import; the options have been checked before.
        from ti_studio.cli.sd_scripts_run import run  # noqa: PLC0415
        from ti_studio.training.distributed import ProcessGroup  # noqa: PLC0415

        process_group = ProcessGroup.present()
        with _quiet() if not process_group.is_main else nullcontext():
            for notice in plan.notices:
                print(f"note: {notice}", file=sys.stderr)
            status = run(plan, _checkpoint(plan, sdxl=sdxl), process_group)
        process_group.destroy()
        return status
    except (StudioError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


@contextmanager
def _quiet() -> Iterator[None]:
    """Lets a process say nothing, where the main one says it already; errors are told after it."""
    with open(os.devnull, "w", encoding="utf-8") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        yield


def _checkpoint(plan: Plan, *, sdxl: bool) -> CheckpointInfo:
    """Finds out what the checkpoint is, and tells where the options say otherwise.

    Raises:
        StudioError: it can't be loaded.
    """
    info = identify(Path(plan.options["pretrained_model_name_or_path"]).expanduser().resolve())
    if (info.family is SDXL) != sdxl:
        script = "train_textual_inversion.py" if sdxl else "sdxl_train_textual_inversion.py"
        print(f"note: {info.title} is {info.family.name}; it is trained as such, as {script} does.", file=sys.stderr)
    if plan.options.get("v2") and info.family.name != "SD 2":
        print(f"note: --v2 changes nothing: {info.title} is {info.family.name}.", file=sys.stderr)
    return info.predicting(plan.request.prediction_type)
