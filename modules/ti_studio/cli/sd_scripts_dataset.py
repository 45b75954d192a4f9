"""`--debug_dataset`: what a training would see."""

from ti_studio.folders import repository_root
from ti_studio.models.loading import Model
from ti_studio.prompts.chunks import Chunk
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.data.captions import PromptTemplate, find_template
from ti_studio.training.data.dataset import repeats_of, scan_folders
from ti_studio.training.data.prompts import CAPTION_ALONE, PicturePrompts, PromptReader, keep_captions_with_word
from ti_studio.training.randomness import seeded_generator

FIRST_NEW_ID = 49408
"""The id that the first row of a new word would have behind CLIP's vocabulary."""


def show_dataset(request: TrainRequest, model: Model, size: tuple[int, int]) -> None:
    """Prints each picture with its size, repeats, one prompt as it may be drawn, and that prompt's token ids. The
    word's rows have the ids from 49408 on.

    Raises:
        StudioError: there is nothing to learn from, or no caption holds the word.
    """
    dataset = scan_folders(request.dataset_folders(""), size)
    reader = PromptReader.of(request.name, request.vectors_per_token, model.encoders[0].tokenizer)
    warnings: list[str] = []
    template = CAPTION_ALONE
    if request.captions_are_prompts:
        dataset, warnings = keep_captions_with_word(dataset, reader)
    else:
        template = PromptTemplate.read(find_template(repository_root(), request.template))
    for text in (*warnings, *(f"Not used: {reason}" for reason in dataset.rejected)):
        print(f"warning: {text}")
    ids = [FIRST_NEW_ID + row for row in range(request.vectors_per_token)]
    print(f"tokens are added: {ids}")
    generator = seeded_generator(request.seed, "shown", 0)
    for sample, repeats in zip(dataset.samples, repeats_of(dataset.samples), strict=True):
        prompt = PicturePrompts(sample, CAPTION_ALONE if sample.options.is_reg else template, reader).draw(generator)
        print(f"{sample.path}\n  {sample.size[0]}×{sample.size[1]}, repeats {repeats}, caption: {sample.caption}")
        for chunk in prompt:
            print(f"  input ids: {_ids(chunk, model)}")


def _ids(chunk: Chunk, model: Model) -> list[int]:
    ids = list(chunk.ids)
    for placed in chunk.placements:
        ids[placed.offset : placed.offset + placed.vectors] = range(FIRST_NEW_ID, FIRST_NEW_ID + placed.vectors)
    tokenizer = model.encoders[0].tokenizer
    return tokenizer.with_special_tokens(ids, len(ids) + 2)
