"""How far our gradient of a word's rows is from that of the plain loop, for one and the same batch."""

import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ti_studio.field_types import Precision
from ti_studio.models.checkpoint.checkpoints import identify
from ti_studio.models.hardware import hardware_for
from ti_studio.models.loading import Model, load, load_as_it_is
from ti_studio.training.batches import TrainingBatches, prepare_batches
from ti_studio.training.data.captions import PromptTemplate
from ti_studio.training.data.dataset import scan_folders
from ti_studio.training.data.latents import cache_latents
from ti_studio.training.data.prompts import PromptReader, tokenize_prompts
from ti_studio.training.loop import forward_backward
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding
from ti_studio.training.output.initialization import initial_embedding
from tools.training_benchmark.plain_loop import add_word
from tools.training_benchmark.variants import Setting, request_for


def difference(setting: Setting, precision: Precision) -> float:
    """Returns the relative Euclidean difference of our gradient, in a precision, from the plain loop's in float32."""
    info = identify(setting.checkpoint)
    plain = load_as_it_is(info, hardware_for(info, "fp32"))
    training_batches = _lesson(plain, setting)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "gradient.pt"
        torch.save(_plain_gradient(plain, training_batches), kept)
        del plain
        expected: Tensor = torch.load(kept)
    ours = load(info, hardware_for(info, precision))
    start = initial_embedding(
        training_batches.request.name, ours.encoders, "tree", training_batches.request.vectors_per_token
    )
    trainable = TrainableEmbedding(start, ours.hardware.device, training_batches.request)
    forward_backward(ours, training_batches, trainable, 1)
    found = trainable.rows["clip_l"].grad
    assert found is not None
    return float((found - expected).norm() / expected.norm())


def _lesson(model: Model, setting: Setting) -> TrainingBatches:
    request = request_for(setting)
    size = (model.info.default_size,) * 2
    latents, dataset = cache_latents(model, scan_folders(request.dataset_folders(str(setting.pictures)), size))
    template = PromptTemplate.read(setting.template)
    prompts = tokenize_prompts(dataset, template, PromptReader.of_words(request.vectors, model.encoders[0].tokenizer))
    return prepare_batches(request, model, latents, prompts)


def _plain_gradient(model: Model, training_batches: TrainingBatches) -> Tensor:
    """Returns the rows of the whole table's gradient that are the word's."""
    encoder, batch = model.encoders[0], training_batches.batch(1, 0)
    _, word = add_word(model, "tree", training_batches.request.vectors_per_token)
    ids = torch.tensor([encoder.tokenizer.with_special_tokens(prompt[0].ids, 77) for prompt in batch.prompts])
    for index, prompt in enumerate(batch.prompts):
        start = 1 + prompt[0].placements[0].offset
        ids[index, start : start + len(word)] = torch.tensor(word)
    context = encoder.model(ids).last_hidden_state
    predicted = model.unet(batch.pictures.noisy, batch.pictures.timesteps, context).sample
    F.mse_loss(predicted, batch.pictures.target).backward()
    gradient = encoder.token_embedding.weight.grad
    assert gradient is not None
    return gradient[word].clone()
