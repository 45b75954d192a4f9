"""Which modules a request may have imported on a server that others reach."""

from dataclasses import replace
from pathlib import Path

import pytest

from ti_studio.folders import Folders
from ti_studio.jobs.folder import JobFolder, JobPaths
from ti_studio.jobs.queue import Jobs
from ti_studio.training.config.optimizer import OptimizerOptions, UnknownPackage, check_packages
from ti_studio.training.config.request import TrainRequest

ANY_MODULE = ("antigravity.Surprise", "os.path.join", "torch.optimize.X", "torch.optimX.Y", "ti_studio.cli.train.X")


@pytest.mark.parametrize("name", ANY_MODULE)
@pytest.mark.parametrize("field", ["optimizer", "lr_scheduler"])
def test_others_have_no_module_imported_but_those_of_optimizers(
    folders: Folders, pictures: Path, name: str, field: str
) -> None:
    guarded = Jobs(replace(folders, dataset_root=pictures))
    wanted = TrainRequest(name="zzzz1234", dataset_directory=".", **{field: name})  # type: ignore[arg-type]

    with pytest.raises(UnknownPackage, match=f"{name} is not one that a server takes from others"):
        guarded.submit(wanted)
    assert guarded.list() == []


def test_an_old_training_goes_on_only_if_others_might_ask_for_it(folders: Folders, pictures: Path) -> None:
    wanted = TrainRequest(name="zzzz1234", dataset_directory=".", optimizer="antigravity.Surprise")
    place = JobPaths(checkpoint="", checkpoints="", embeddings="", dataset="", template="", created=1.0)
    job = JobFolder.create(folders.outputs / "train", wanted, place)
    job.append({"event": "failed", "reason": "there is none"})

    with pytest.raises(UnknownPackage):
        Jobs(replace(folders, dataset_root=pictures)).resume(job.path.name)


@pytest.mark.parametrize("name", ["adamw", "torch.optim.RMSprop", "prodigyopt.Prodigy"])
def test_optimizers_by_their_short_names_and_of_known_packages_are_taken(name: str) -> None:
    check_packages(OptimizerOptions(optimizer=name, lr_scheduler="torch.optim.lr_scheduler.StepLR"))
