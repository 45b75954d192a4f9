"""The text model: a small CLIPTextModel, its first lessons, and its way into CLIP's full vocabulary.

Before the UNet sees a caption, the text model learns to name every attribute that the caption states. The UNet then
starts with conditioning that already tells the words apart.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from tools.demo_model.captions import ATTRIBUTE_VALUES, Caption, caption
from tools.demo_model.drawing import Scene
from tools.demo_model.parallel import Team
from tools.demo_model.training import Recipe, Step, train
from tools.demo_model.vocabulary import CLIP_ROWS, LENGTH, ROWS, Vocabulary

START_ID, END_ID = 49_406, 49_407
RECIPE = Recipe(samples=48_000, batch=64, learning_rate=2e-3, minutes=1.2, averaging=0.98, warmup=30, seed=20)


def text_config(width: int, rows: int, start: int, end: int, layers: int = 2) -> CLIPTextConfig:
    """Layers of four heads, with CLIP's length and activation."""
    return CLIPTextConfig(
        vocab_size=rows,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
    )


def new_text_model(vocabulary: Vocabulary, width: int, layers: int = 2) -> CLIPTextModel:
    """An untrained text model over the compact vocabulary and the places of rows."""
    rows = vocabulary.first_row + len(ROWS)
    return CLIPTextModel(text_config(width, rows, vocabulary.START, vocabulary.END, layers))


def save_text_model(model: CLIPTextModel, vocabulary: Vocabulary, folder: Path) -> None:
    """Writes the model with CLIP's full table, in float16."""
    config = text_config(model.config.hidden_size, CLIP_ROWS, START_ID, END_ID, model.config.num_hidden_layers)
    full = CLIPTextModel(config)
    weights = dict(model.state_dict())
    (table,) = (name for name in weights if name.endswith("token_embedding.weight"))
    weights[table] = vocabulary.full_table(weights[table])
    full.load_state_dict(weights)
    full.half().save_pretrained(folder)


class _Lessons(nn.Module):
    """The text model and one classifier for each attribute, over the mean of the caption's tokens."""

    def __init__(self, model: CLIPTextModel) -> None:
        super().__init__()
        self.model = model
        width = model.config.hidden_size
        self.heads = nn.ModuleDict({name: nn.Linear(width, len(v) + 1) for name, v in ATTRIBUTE_VALUES.items()})

    def loss(self, numbers: Tensor, captions: Sequence[Caption]) -> Tensor:
        hidden = self.model(numbers).last_hidden_state.mean(dim=1)
        losses = [
            F.cross_entropy(head(hidden), torch.tensor([_target(name, c) for c in captions]))
            for name, head in self.heads.items()
        ]
        return torch.stack(losses).mean()


def _target(attribute: str, caption: Caption) -> int:
    """0 where the caption is silent, else the value's place in ATTRIBUTE_VALUES, counted from 1."""
    value = caption.stated.get(attribute)
    return 0 if value is None else ATTRIBUTE_VALUES[attribute].index(value) + 1


def pretrain(
    model: CLIPTextModel, vocabulary: Vocabulary, scenes: Sequence[Scene], recipe: Recipe, folder: Path, team: Team
) -> CLIPTextModel:
    """Teaches the attributes; returns the averaged model. Its state goes to `folder/text.state.pt`."""
    torch.manual_seed(recipe.seed + 1)
    lessons = _Lessons(model)

    def loss_of(module: nn.Module, step: Step) -> Tensor:
        captions = [caption(scenes[k], step.rng) for k in step.rng.integers(len(scenes), size=step.share)]
        numbers = vocabulary.encode([c.text for c in captions], step.rng)
        return module.loss(numbers, captions)

    return train(lessons, loss_of, recipe, folder / "text.state.pt", team).model
