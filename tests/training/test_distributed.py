"""Several processes that share each batch, here one after the other; the tests of the commands start real ones."""

from dataclasses import replace

import pytest
import torch

from tests.training.test_run import prepared, request
from ti_studio.models.loading import Model
from ti_studio.training.batches import TrainingBatches
from ti_studio.training.distributed import ProcessesDisagree, ProcessGroup
from ti_studio.training.loop import forward_backward
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding
from ti_studio.training.output.initialization import initial_embedding
from ti_studio.training.preparation import RunPaths


def gradient(training_batches: TrainingBatches, model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the first step's loss and penalty, and the gradient of the rows."""
    trainable = TrainableEmbedding(
        initial_embedding("zzzz1234", model.encoders, "tree", 2), model.hardware.device, training_batches.request
    )
    sums = forward_backward(model, training_batches, trainable, 1)
    (found,) = trainable.gradients()
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
    tiny_model: Model, place: RunPaths, size: int, options: dict[str, object]
) -> None:
    (place.dataset / "0.txt").write_text("a very long caption, " * 20)  # one process has it, and all fill up to it
    training_batches = prepared(request(batch_size=5, **options), tiny_model, place)
    loss, whole = gradient(training_batches, tiny_model)

    shares = [
        gradient(replace(training_batches, process_group=ProcessGroup(rank, size)), tiny_model) for rank in range(size)
    ]

    together = torch.stack([share for _, share in shares]).sum(0)
    assert (together - whole).norm() < 1e-5 * whole.norm()
    assert torch.allclose(torch.stack([part for part, _ in shares]).sum(0), loss, rtol=1e-5)


@pytest.mark.parametrize(("count", "size"), [(1, 2), (5, 2), (8, 3), (2, 5)])
def test_every_picture_is_one_process_s_and_the_main_one_has_some(count: int, size: int) -> None:
    shares = [list(range(count))[ProcessGroup(rank, size).local_shard(count)] for rank in range(size)]

    assert [picture for share in shares for picture in share] == list(range(count))
    assert shares[0]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_process_with_other_pictures_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProcessGroup, "all_gather_object", lambda _group, notes: [notes, {**notes, "dataset": "b"}])

    with pytest.raises(
        ProcessesDisagree, match="Process 1 of the training does not have the same dataset as process 0"
    ):
        ProcessGroup(0, 2).check_same({"dataset": "a", "checkpoint": "c"})
