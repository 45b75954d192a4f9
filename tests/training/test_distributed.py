"""Several processes that share each batch, here one after the other; the tests of the commands start real ones."""

from dataclasses import replace

import pytest
import torch

from tests.training.test_run import prepared, request
from ti_studio.models.loading import Model
from ti_studio.training.batches import Lesson
from ti_studio.training.distributed import Disagreement, Team
from ti_studio.training.gradients import sum_gradients
from ti_studio.training.optim.learner import Learner
from ti_studio.training.output.initialization import initial_embedding
from ti_studio.training.preparation import Place


def gradient(lesson: Lesson, model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the first step's loss and penalty, and the gradient of the rows."""
    learner = Learner(initial_embedding("zzzz1234", model.encoders, "tree", 2), model.hardware.device, lesson.request)
    sums = sum_gradients(model, lesson, learner, 1)
    (found,) = learner.gradients()
    return sums, found.clone()


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize(
    "options",
    [
        {"min_snr_gamma": 5.0, "init_weight": 1.0, "gradient_accumulation_steps": 2},
        {"loss_type": "huber", "prompt_weight": 1.0, "context_weight": 1.0},
    ],
)
def test_the_shares_of_all_processes_add_up_to_the_whole_step(
    tiny_model: Model, place: Place, size: int, options: dict[str, object]
) -> None:
    (place.dataset / "0.txt").write_text("a very long caption, " * 20)  # one process has it, and all fill up to it
    lesson = prepared(request(batch_size=5, **options), tiny_model, place)
    loss, whole = gradient(lesson, tiny_model)

    shares = [gradient(replace(lesson, team=Team(rank, size)), tiny_model) for rank in range(size)]

    together = torch.stack([share for _, share in shares]).sum(0)
    assert (together - whole).norm() < 1e-5 * whole.norm()
    assert torch.allclose(torch.stack([part for part, _ in shares]).sum(0), loss, rtol=1e-5)


@pytest.mark.parametrize(("count", "size"), [(1, 2), (5, 2), (8, 3), (2, 5)])
def test_every_picture_is_one_process_s_and_the_main_one_has_some(count: int, size: int) -> None:
    shares = [list(range(count))[Team(rank, size).share(count)] for rank in range(size)]

    assert [picture for share in shares for picture in share] == list(range(count))
    assert shares[0]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_process_with_other_pictures_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Team, "gathered", lambda _team, notes: [notes, {**notes, "dataset": "b"}])

    with pytest.raises(Disagreement, match="Process 1 of the training does not have the same dataset as process 0"):
        Team(0, 2).check_same({"dataset": "a", "checkpoint": "c"})
