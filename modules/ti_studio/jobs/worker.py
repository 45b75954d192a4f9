"""The training process: `python -m ti_studio.jobs.worker <folder>`. It tells everything through the job's folder."""

import sys
from pathlib import Path

from ti_studio.errors import StudioError
from ti_studio.jobs.folder import JobFolder
from ti_studio.training.events import Failed, Preparing


def main(arguments: list[str]) -> int:
    """Works on one job until it is finished, stopped or failed; returns the exit status.

    An error that nobody foresaw ends the process with a traceback in `log.txt`; the job is then seen to have crashed.
    """
    files = JobFolder(Path(arguments[0]))
    if files.stop_path.exists():
        files.append({"event": "stopped"})
        return 0
    try:
        files.append(Preparing("Starting the training process").to_json())
        # Imported here, so that the line above is seen before the seconds that torch and the models take.
        from ti_studio.jobs.work import work  # noqa: PLC0415

        work(files)
    except (StudioError, OSError, MemoryError) as error:
        files.append(Failed(str(error) or type(error).__name__).to_json())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
