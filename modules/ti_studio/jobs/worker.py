"""The training process: `python -m ti_studio.jobs.worker <folder>`. It tells everything through the job's folder."""

import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from ti_studio.errors import StudioError
from ti_studio.folders import WriteFailed
from ti_studio.jobs.folder import JobFolder
from ti_studio.jobs.name_lock import NameHeld, holding, name_lock
from ti_studio.training.events import Failed, Preparing


def main(arguments: list[str]) -> int:
    """Works on one job until it is finished, stopped or failed; returns the exit status.

    An error that nobody foresaw ends the process with a traceback in `log.txt`; the job is then seen to have crashed.
    """
    files = JobFolder(Path(arguments[0]))
    asked = _stop_at_signals()
    if files.stop_path.exists():
        files.append_last({"event": "stopped"})
        return 0
    try:
        files.append(Preparing("Starting the training process").to_json())
        with ExitStack() as held:
            for name in files.request.vectors:
                held.enter_context(holding(name_lock(Path(files.place.embeddings), name), name, files.path))
            # Imported here, so that the line above is seen before the seconds that torch and the models take.
            from ti_studio.jobs.work import work  # noqa: PLC0415

            work(files, lambda: bool(asked) or files.stop_path.exists())
    except NameHeld as error:
        if error.holder is not None and Path(error.holder.folder) == files.path:
            files.set_worker(error.holder.pid)  # a server that was killed had started it, and could not note it
            return 0
        return _fail(files, error)
    except (StudioError, OSError, MemoryError) as error:
        return _fail(files, error)
    return 0


def _fail(files: JobFolder, error: Exception) -> int:
    """Tells why the job has failed, and returns the exit status."""
    try:
        files.append_last(Failed(str(error) or type(error).__name__).to_json())
    except WriteFailed:
        print(error, file=sys.stderr)  # noqa: T201 - the log may lie on another disk
    return 1


def _stop_at_signals() -> list[int]:
    """Collects SIGTERM and SIGINT, each of which asks for a stop after the present step, as the page's button does."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return seen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
