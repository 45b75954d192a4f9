"""Whole trainings on a tiny checkpoint."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from ti_studio.embeddings.embedding import Embedding, IncompatibleEmbedding
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.errors import StudioError
from ti_studio.models.loading import Model
from ti_studio.training import events
from ti_studio.training.batches import TrainingBatches, prepare_batches
from ti_studio.training.config.request import SAID, TrainRequest
from ti_studio.training.data.captions import PromptTemplate
from ti_studio.training.data.dataset import scan_folders
from ti_studio.training.data.latents import LatentCache, cache_latents
from ti_studio.training.data.prompts import PromptReader, WordNotInPrompt, tokenize_prompts
from ti_studio.training.fingerprint import Fingerprint, OtherCheckpoint
from ti_studio.training.loop import Diverged, optimise
from ti_studio.training.optim.trainable_embedding import TrainableEmbedding
from ti_studio.training.output.initialization import initial_embedding, initial_rows
from ti_studio.training.output.publishing import NameTaken
from ti_studio.training.preparation import RunPaths
from ti_studio.training.run import train
from ti_studio.training.validation import batch_loss


def request(**changes: object) -> TrainRequest:
    settings = {
        "name": "zzzz1234",
        "initialization_text": "tree",
        "dataset_directory": "pictures",
        "vectors_per_token": 2,
        "batch_size": 2,
        "max_steps": 6,
        "save_every": 0,
        "preview_every": 0,
    }
    return TrainRequest(**{**settings, **changes})  # type: ignore[arg-type]


def prepared(wanted: TrainRequest, model: Model, place: RunPaths) -> TrainingBatches:
    """Makes the lesson of a training by hand."""
    size = (model.info.default_size,) * 2
    latents, dataset = cache_latents(model, scan_folders(wanted.dataset_folders(str(place.dataset)), size))
    template = PromptTemplate.read(place.template)
    prompts = tokenize_prompts(dataset, template, PromptReader.of_words(wanted.vectors, model.encoders[0].tokenizer))
    return prepare_batches(wanted, model, latents, prompts)


def replace_seed(wanted: TrainRequest) -> TrainRequest:
    return wanted.model_copy(update={"seed": wanted.seed + 1})


def no_preview(_words: Sequence[Embedding]) -> Iterator[events.Previewed]:
    return iter(())


def run(wanted: TrainRequest, model: Model, place: RunPaths, stop_after: int | None = None) -> list[events.Event]:
    """Trains to the end, or stops after so many steps of this run."""
    told: list[events.Event] = []

    def enough() -> bool:
        return stop_after is not None and sum(isinstance(event, events.Step) for event in told) >= stop_after

    for event in train(wanted, model, place, no_preview, enough):
        told.append(event)
    return told


def rows_of(place: RunPaths) -> torch.Tensor:
    return read_embedding(place.embeddings / "zzzz1234.safetensors").vectors["clip_l"]


def test_a_training_makes_exactly_its_steps_and_writes_the_word(tiny_model: Model, place: RunPaths) -> None:
    told = run(request(), tiny_model, place)

    assert [event.step for event in told if isinstance(event, events.Step)] == [1, 2, 3, 4, 5, 6]
    assert told[-1] == events.Finished(6, str(place.embeddings / "zzzz1234.safetensors"))
    written = read_embedding(place.embeddings / "zzzz1234.safetensors")
    assert written.step == 6
    assert not torch.equal(written.vectors["clip_l"], initial_rows(tiny_model.encoders[0], "tree", 2))


def test_a_trained_word_describes_its_pictures_better_than_its_initialization_text(
    demo_model: Model, place: RunPaths
) -> None:
    wanted = request(initialization_text="tree", learning_rate="0.02", max_steps=25, batch_size=4)
    run(wanted, demo_model, place)
    unseen = prepared(replace_seed(wanted), demo_model, place)

    def loss(rows: torch.Tensor) -> float:
        with torch.no_grad():
            return sum(
                batch_loss(demo_model, unseen.batch(n, 0), {"zzzz1234": {"clip_l": rows}}).item() for n in range(1, 9)
            )

    assert loss(rows_of(place)) < 0.97 * loss(initial_rows(demo_model.encoders[0], "tree", 2))


def test_nothing_but_the_rows_changes(tiny_model: Model, place: RunPaths) -> None:
    parts = (tiny_model.unet, tiny_model.vae, tiny_model.encoders[0].model)
    before = [{name: value.clone() for name, value in part.state_dict().items()} for part in parts]

    run(request(), tiny_model, place)

    for part, values in zip(parts, before, strict=True):
        assert all(torch.equal(value, values[name]) for name, value in part.state_dict().items())


VARIED = {"shuffle_caption": True, "caption_tag_dropout_rate": 0.3, "caption_dropout_rate": 0.2}
BUCKETS = {"enable_bucket": True, "bucket_no_upscale": True, "bucket_reso_steps": 8}


@pytest.mark.parametrize(
    ("stopped_after", "options"),
    [
        (1, {"flip": True}),
        (3, {"flip": True, **VARIED}),
        (5, {"flip": True, "alpha_mask": True, **BUCKETS}),
        (2, {"flip": True, "random_crop": True, "color_aug": True, "enable_wildcard": True}),
    ],
)
def test_stopping_and_resuming_gives_the_same_word_to_the_last_bit(
    tiny_model: Model, place: RunPaths, tmp_path: Path, stopped_after: int, options: dict[str, object]
) -> None:
    transparent = Image.new("RGBA", (72, 32), (255, 255, 0, 255))
    transparent.paste((0, 0, 0, 0), (0, 0, 30, 32))
    transparent.save(place.dataset / "wide.png")
    (place.dataset / "wide.txt").write_text("{yellow|bright}, wide")
    wanted = request(gradient_accumulation_steps=2, **options)
    run(wanted, tiny_model, place)
    uninterrupted = (place.embeddings / "zzzz1234.safetensors").read_bytes()
    (place.embeddings / "zzzz1234.safetensors").unlink()
    other = replace(place, job=tmp_path / "other")
    other.job.mkdir()

    stopped = run(wanted, tiny_model, other, stop_after=stopped_after)
    resumed = run(wanted, tiny_model, other)

    assert stopped[-1] == events.Stopped(stopped_after)
    assert [event.step for event in resumed if isinstance(event, events.Step)] == list(range(stopped_after + 1, 7))
    assert (place.embeddings / "zzzz1234.safetensors").read_bytes() == uninterrupted


def test_another_seed_gives_another_word(tiny_model: Model, place: RunPaths) -> None:
    run(request(seed=0), tiny_model, place)
    first = rows_of(place)
    place.state.unlink()

    run(request(seed=1, overwrite=True), tiny_model, place)

    assert not torch.equal(first, rows_of(place))


def test_changed_pictures_are_noticed_at_a_resume(
    tiny_model: Model, place: RunPaths, draw: Callable[[Path, list[str]], Path]
) -> None:
    run(request(), tiny_model, place, stop_after=2)
    draw(place.dataset, ["yellow"])

    resumed = run(request(), tiny_model, place)

    assert any(isinstance(event, events.Warned) and "have changed" in event.text for event in resumed)


def test_snapshots_are_taken_after_exactly_their_steps(tiny_model: Model, place: RunPaths) -> None:
    told = run(request(save_every=4), tiny_model, place)

    saved = [event for event in told if isinstance(event, events.Saved)]
    assert [(event.step, event.path) for event in saved] == [
        (4, "snapshots/zzzz1234-000004.safetensors"),
        (6, "snapshots/zzzz1234-000006.safetensors"),
    ]
    assert read_embedding(place.job / saved[0].path).step == 4


def test_previews_are_asked_for_with_the_live_rows(tiny_model: Model, place: RunPaths) -> None:
    seen: list[Embedding] = []

    def preview(words: Sequence[Embedding]) -> Iterator[events.Previewed]:
        seen.extend(words)
        yield events.Previewed(words[0].step or 0, 0, "previews/x.png", "prompt", 1)

    list(train(request(preview_every=3), tiny_model, place, preview, lambda: False))

    assert [embedding.step for embedding in seen] == [0, 3, 6]
    assert torch.equal(seen[0].vectors["clip_l"], initial_rows(tiny_model.encoders[0], "tree", 2))
    assert not torch.equal(seen[1].vectors["clip_l"], seen[2].vectors["clip_l"])


def test_the_file_says_everything_about_how_it_was_made(tiny_model: Model, place: RunPaths) -> None:
    asked = request(metadata_title="Cat", metadata_author="Somebody", metadata_license="CC0")
    run(asked, tiny_model, place)

    metadata = read_embedding(place.embeddings / "zzzz1234.safetensors").metadata
    said = [metadata.get(f"modelspec.{name}") for name in ("title", "author", "license", "tags")]
    assert said == ["Cat", "Somebody", "CC0", None]
    assert metadata["ti_studio.trigger"] == "zzzz1234"
    assert metadata["ti_studio.family"] == "SD 1"
    assert metadata["ti_studio.checkpoint_sha256"] == tiny_model.info.sha256
    assert TrainRequest(**json.loads(metadata["ti_studio.request"])) == asked
    assert json.loads(metadata["ti_studio.dataset"])["pictures"] == 3
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/textual-inversion"
    assert metadata["modelspec.resolution"] == "32x32"


def test_modelspecs_keys_are_what_the_maker_says(tiny_model: Model, place: RunPaths) -> None:
    said = {f"metadata_{name}": f"my {name}" for name in SAID if name != "thumbnail"}
    said |= {"metadata_thumbnail": "data:image/jpeg;base64,AAAA", "metadata_is_negative_embedding": True}
    (place.dataset / "0.txt").write_text("a yyyy5678")
    run(request(more_words="yyyy5678", **said), tiny_model, place)

    header = read_embedding(place.embeddings / "zzzz1234.safetensors").metadata
    other = read_embedding(place.embeddings / "yyyy5678.safetensors").metadata
    assert header["modelspec.sai_model_spec"] == "1.0.1"
    assert {name: header[f"modelspec.{name}"] for name in SAID if name != "thumbnail"} == {
        name: f"my {name}" for name in SAID if name != "thumbnail"
    }
    assert (header["modelspec.thumbnail"], header["modelspec.is_negative_embedding"]) == (
        "data:image/jpeg;base64,AAAA",
        "true",
    )
    assert header["modelspec.hash_sha256"].startswith("0x")
    assert "AAAA" not in header["ti_studio.request"]
    # What is said of the first word is not of the second one.
    assert (other["modelspec.title"], other["modelspec.trigger_phrase"]) == ("yyyy5678", "yyyy5678")
    assert ("modelspec.thumbnail" in other, other["modelspec.author"]) == (False, "my author")


def test_without_metadata_no_file_says_how_it_was_made_and_a_resume_is_the_same(
    tiny_model: Model, place: RunPaths
) -> None:
    asked = request(metadata=False, save_every=3, validation_every=3, keep_best=True, metadata_author="Somebody")
    run(asked, tiny_model, place, stop_after=3)
    told = run(asked, tiny_model, place)

    assert told[-1] == events.Finished(6, str(place.embeddings / "zzzz1234.safetensors"))
    files = [*place.embeddings.iterdir(), *(place.job / "snapshots").iterdir()]
    assert len(files) == 5
    for path in files:
        word = read_embedding(path)
        assert (dict(word.metadata), word.step) == ({"ti_studio.family": "SD 1"}, None)


def test_a_loss_that_is_no_number_ends_the_training_with_the_step_and_the_rate(
    tiny_model: Model, place: RunPaths
) -> None:
    training_batches = prepared(request(), tiny_model, place)
    assert isinstance(training_batches.latents, LatentCache)
    broken = replace(training_batches, latents=replace(training_batches.latents, scaling_factor=math.nan))
    trainable = TrainableEmbedding(
        initial_embedding("zzzz1234", tiny_model.encoders, "tree", 2), tiny_model.hardware.device
    )

    with pytest.raises(Diverged, match=r"The loss is nan at step 5, .* learning rate 0\.005\. Try a lower"):
        list(optimise(tiny_model, broken, trainable))

    assert torch.equal(trainable.rows["clip_l"], initial_rows(tiny_model.encoders[0], "tree", 2))


def test_a_picture_that_cannot_be_used_is_told_and_the_others_are(tiny_model: Model, place: RunPaths) -> None:
    (place.dataset / "notes.pdf").write_bytes(b"%PDF-1.4")

    told = run(request(), tiny_model, place)

    assert events.Warned("Not used: notes.pdf: is not a picture") in told
    assert [event.pictures for event in told if isinstance(event, events.Started)] == [3]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"learning_rate": "1e-6", "max_steps": 3},
            "Learning rate 1e-6 for 3 steps can move a coordinate of the word by",
        ),
        ({"learning_rate": "0.01:1, 1e-9", "max_steps": 3}, "by 0.01 at most, and one is about 0.014 large"),
        ({"learning_rate": "0.005", "max_steps": 3}, ""),
        ({"learning_rate": "1e-6", "max_steps": 1, "optimizer": "torch.optim.SGD"}, ""),
    ],
)
def test_a_rate_that_cannot_move_the_word_is_told_with_a_figure(
    tiny_model: Model, place: RunPaths, options: dict[str, object], told: str
) -> None:
    heard = [event.text for event in run(request(**options), tiny_model, place) if isinstance(event, events.Warned)]

    assert any("can move a coordinate" in text and told in text for text in heard) is bool(told)


def test_a_name_that_is_an_ordinary_word_is_warned_about(tiny_model: Model, place: RunPaths) -> None:
    told = run(request(name="cat"), tiny_model, place)

    assert any(isinstance(event, events.Warned) and "'cat' is an ordinary word" in event.text for event in told)


def test_a_template_that_glues_the_word_to_its_neighbour_is_refused(
    tiny_model: Model, place: RunPaths, tmp_path: Path
) -> None:
    (tmp_path / "glued.txt").write_text("pre[name]post")

    with pytest.raises(WordNotInPrompt, match=r"'prezzzzpost'.*does not hold the word 'zzzz'"):
        run(request(name="zzzz"), tiny_model, replace(place, template=tmp_path / "glued.txt"))


def test_a_replaced_word_is_kept_in_the_jobs_folder(tiny_model: Model, place: RunPaths) -> None:
    old = place.embeddings / "sub" / "ZZZZ1234.pt"
    old.parent.mkdir()
    old.write_bytes(b"precious")

    with pytest.raises(NameTaken, match=r"is taken by sub/ZZZZ1234\.pt"):
        run(request(), tiny_model, place)
    told = run(request(overwrite=True), tiny_model, place)

    assert told[-1] == events.Finished(6, str(place.embeddings / "sub" / "zzzz1234.safetensors"))
    assert not old.exists()
    assert (place.job / "replaced" / "ZZZZ1234.pt").read_bytes() == b"precious"


def test_captions_that_are_the_prompts_are_checked_before_the_first_step(tiny_model: Model, place: RunPaths) -> None:
    (place.dataset / "0.txt").write_text("zzzz1234 in red")
    (place.dataset / "1.txt").write_text("zzzz1234 in green")

    told = run(request(captions_are_prompts=True), tiny_model, place)

    kinds = [type(event) for event in told]
    (warning,) = (event for event in told if isinstance(event, events.Warned))
    assert "1 of 3 captions do not hold the word 'zzzz1234'" in warning.text and "2.png" in warning.text
    assert kinds.index(events.Warned) < kinds.index(events.Step)
    assert [event.pictures for event in told if isinstance(event, events.Started)] == [2]


def test_a_batch_of_regularisation_pictures_alone_teaches_nothing_and_stops_nothing(
    tiny_model: Model, place: RunPaths, tmp_path: Path, draw: Callable[[Path, list[str]], Path]
) -> None:
    regular = draw(tmp_path / "regular", ["black", "white"])
    folders = ({"directory": str(place.dataset)}, {"directory": str(regular), "is_reg": True})

    told = run(request(folders=folders, batch_size=1), tiny_model, place)

    norms = [event.grad_norm for event in told if isinstance(event, events.Step)]
    assert len(norms) == 6 and min(norms) == 0 < max(norms)
    assert any(isinstance(event, events.Warned) and "without the word" in event.text for event in told)


def test_regularisation_pictures_count_as_much_as_asked(
    tiny_model: Model, place: RunPaths, tmp_path: Path, draw: Callable[[Path, list[str]], Path]
) -> None:
    regular = draw(tmp_path / "regular", ["black", "white"])
    for caption in regular.glob("*.txt"):
        caption.write_text("a zzzz1234")  # with the word they teach it something
    folders = ({"directory": str(place.dataset)}, {"directory": str(regular), "is_reg": True, "prior_loss_weight": 0})

    told = run(request(folders=folders, batch_size=1), tiny_model, place)

    losses = [event.loss for event in told if isinstance(event, events.Step)]
    assert 0 < losses.count(0.0) < len(losses) == 6


@pytest.mark.parametrize("how", ["deterministic", "once"])
def test_how_latents_are_drawn_changes_the_word(tiny_model: Model, place: RunPaths, how: str) -> None:
    run(request(), tiny_model, place)
    random = rows_of(place)
    place.state.unlink()

    run(request(latent_sampling=how, overwrite=True), tiny_model, place)

    assert not torch.equal(rows_of(place), random)


def test_where_the_mask_is_black_nothing_is_learned(tiny_model: Model, place: RunPaths, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for picture in place.dataset.glob("*.png"):
        Image.new("L", (40, 32), 0).save(tmp_path / "masks" / picture.name)

    told = run(request(mask_directory=str(tmp_path / "masks")), tiny_model, place)

    assert {event.loss for event in told if isinstance(event, events.Step)} == {0.0}


def test_a_training_may_start_from_a_file(tiny_model: Model, place: RunPaths) -> None:
    run(request(), tiny_model, place)
    first = rows_of(place)
    place.state.unlink()
    start = str(place.embeddings / "zzzz1234.safetensors")

    run(request(initialization_file=start, learning_rate="1e-9", overwrite=True), tiny_model, place)

    assert torch.allclose(rows_of(place), first, atol=1e-6)
    place.state.unlink()
    with pytest.raises(IncompatibleEmbedding, match="has 2 vectors of clip_l 16; the training wants 3 of clip_l 16"):
        run(request(initialization_file=start, vectors_per_token=3, overwrite=True), tiny_model, place)


def test_a_damaged_state_is_refused_and_named(tiny_model: Model, place: RunPaths) -> None:
    place.state.write_bytes(b"nothing")

    with pytest.raises(StudioError, match=r"state\.safetensors can't be resumed from"):
        run(request(), tiny_model, place)


def test_what_was_due_when_it_was_stopped_is_done_after_the_resume(tiny_model: Model, place: RunPaths) -> None:
    seen: list[int] = []

    def preview(words: Sequence[Embedding]) -> Iterator[events.Previewed]:
        seen.append(words[0].step or 0)
        yield events.Previewed(words[0].step or 0, 0, "previews/x.png", "prompt", 1)

    wanted = request(preview_every=3, save_every=3, validation_every=3)
    first = list(train(wanted, tiny_model, place, preview, lambda: seen == [0, 3]))
    again = list(train(wanted, tiny_model, place, preview, lambda: False))

    assert first[-1] == events.Stopped(3)
    assert seen == [0, 3, 3, 6]  # at step 3 the stop came before the previews were known to be all there
    assert [event.step for event in first + again if isinstance(event, events.Validated)] == [0, 3, 6]
    saved = [event.path for event in first + again if isinstance(event, events.Saved) and "-best" not in event.path]
    assert saved == ["snapshots/zzzz1234-000003.safetensors", "snapshots/zzzz1234-000006.safetensors"]


@pytest.mark.parametrize("stopped_in", ["encoding", "validating"])
def test_a_stop_before_the_first_step_is_heeded_at_once(tiny_model: Model, place: RunPaths, stopped_in: str) -> None:
    wanted, told = request(validation_every=2), list[events.Event]()
    kind = {"encoding": events.Preparing, "validating": events.Started}[stopped_in]

    for event in train(wanted, tiny_model, place, no_preview, lambda: any(isinstance(one, kind) for one in told)):
        told.append(event)

    assert told[-1] == events.Stopped(0)
    assert not any(isinstance(event, events.Step | events.Validated) for event in told)
    assert any(isinstance(event, events.Started) for event in told) is (stopped_in == "validating")
    assert run(wanted, tiny_model, place)[-1] == events.Finished(6, str(place.embeddings / "zzzz1234.safetensors"))


def test_what_changed_while_a_training_was_stopped_is_told(
    tiny_model: Model, place: RunPaths, draw: Callable[[Path, list[str]], Path]
) -> None:
    run(request(), tiny_model, place, stop_after=2)
    draw(place.dataset, ["black"])
    (place.dataset / "1.txt").write_text("something else")
    for ending in ("png", "txt"):
        (place.dataset / f"2.{ending}").rename(place.dataset / f"3.{ending}")

    told = run(request(learning_rate="0.01", max_steps=7, save_every=1), tiny_model, place)

    pictures, options = (event.text for event in told if isinstance(event, events.Warned))
    assert "1 added (3.png); 1 removed (2.png); 1 changed (0.png); 2 with another caption (0.png, 1.png)." in pictures
    assert options == (
        'The options have changed since the training was stopped: learning_rate was "0.005" and is "0.01".'
    )


def test_what_is_as_it_was_is_not_told_of(tiny_model: Model, place: RunPaths) -> None:
    run(request(), tiny_model, place, stop_after=2)

    assert not any(isinstance(event, events.Warned) for event in run(request(max_steps=7), tiny_model, place))


def test_a_training_does_not_go_on_with_another_checkpoint_of_the_same_title(
    tiny_model: Model, place: RunPaths
) -> None:
    run(request(), tiny_model, place, stop_after=2)
    state = place.state.read_bytes()
    info = replace(tiny_model.info)
    info.__dict__["sha256"] = "f" * 64

    with pytest.raises(OtherCheckpoint, match=r"begun on the checkpoint tiny with SHA-256 .*…, and tiny now has ffff"):
        run(request(), replace(tiny_model, info=info), place)

    assert place.state.read_bytes() == state


@pytest.mark.parametrize("name", ["vae.safetensors", "folder"])
def test_another_vae_of_the_same_name_is_noticed(tiny_model: Model, place: RunPaths, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    file = path if path.suffix else path / "diffusion_pytorch_model.safetensors"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"one")
    wanted = request(vae=str(path))

    def identity() -> Fingerprint:
        return Fingerprint.of(
            scan_folders(wanted.dataset_folders(str(place.dataset)), (32, 32)), tiny_model.info, wanted
        )

    notes = identity().notes()
    assert list(identity().changes_since(notes)) == []
    file.write_bytes(b"two")
    (told,) = identity().changes_since(notes)

    assert told.startswith(f"The VAE {path} is another one")


def test_the_state_of_very_many_pictures_names_none_of_them(tiny_model: Model, place: RunPaths, pictures: Path) -> None:
    dataset = scan_folders(request().dataset_folders(str(pictures)), (32, 32))
    whole = Fingerprint.of(dataset, tiny_model.info, request())
    many = replace(whole, pictures={f"{number:06d}.png": "a" * 12 + "-" + "b" * 12 for number in range(20_000)})

    notes = many.notes()

    assert sum(map(len, notes.values())) < 10_000
    (told,) = replace(many, fingerprint="other", pictures={"1.png": "c-d"}).changes_since(notes)
    assert "have changed since the training was stopped: there are 1 now." in told


def test_resuming_puts_the_best_word_back_that_belongs_to_the_state(tiny_model: Model, place: RunPaths) -> None:
    wanted = request(validation_every=1, max_steps=4)
    run(wanted, tiny_model, place, stop_after=2)  # it comes before the second validation
    best = place.job / "snapshots" / "zzzz1234-best.safetensors"
    then = best.read_bytes()
    best.write_bytes(b"of a later step, which a crash has taken back")

    saved = events.Saved(1, "snapshots/zzzz1234-best.safetensors")
    assert saved in train(wanted, tiny_model, place, no_preview, lambda: False)  # goes no further than that
    assert best.read_bytes() == then
