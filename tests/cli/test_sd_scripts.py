"""The commands `train_textual_inversion.py` and `sdxl_train_textual_inversion.py`."""

import base64
import hashlib
import inspect
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.checkpoints import write_tiny_checkpoint
from ti_studio.cli import sd_scripts_run
from ti_studio.cli.sd_scripts import main
from ti_studio.cli.sd_scripts_outputs import SAMPLERS, due_every
from ti_studio.embeddings.formats.files import read_embedding
from ti_studio.generation.samplers import find_sampler
from ti_studio.jobs.name_lock import holding
from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.events import Step
from ti_studio.training.sd_scripts.plan import Plan

PATIENCE = 600

Run = Callable[..., int]


@pytest.fixture
def config(pictures: Path, tmp_path: Path) -> Path:
    """The documented dataset configuration, at 32 pixels; two of the three captions hold the word."""
    for index in range(2):
        (pictures / f"{index}.txt").write_text("mychar, 1girl, blonde hair, blue eyes")
    path = tmp_path / "dataset_config.toml"
    path.write_text(
        f"""
        [general]
        shuffle_caption = false
        caption_extension = ".txt"
        keep_tokens = 1

        [[datasets]]
        resolution = 32
        batch_size = 4
        enable_bucket = true

        [[datasets.subsets]]
        image_dir = "{pictures}"
        caption_extension = ".txt"
        num_repeats = 10
        """
    )
    return path


@pytest.fixture
def run(config: Path, tmp_path: Path, tiny_checkpoint: CheckpointInfo) -> Run:
    """Runs the command in this process."""

    def command(*arguments: str) -> int:
        needed = {
            "--pretrained_model_name_or_path": tiny_checkpoint.path,
            "--dataset_config": config,
            "--output_dir": tmp_path / "output",
            "--output_name": "word",
            "--save_model_as": "safetensors",
            "--token_string": "mychar",
            "--max_train_steps": 6,
            "--learning_rate": 0.01,
        }
        given = {argument.split("=")[0] for argument in arguments}
        return main(
            [*(f"{name}={value}" for name, value in needed.items() if name not in given), *arguments], sdxl=False
        )

    return command


def launch(
    root: Path, script: str, folder: Path, *arguments: str, launcher_options: Sequence[str] = ()
) -> "subprocess.CompletedProcess[str]":
    """Runs a command as its document says, in a folder that is not the repository."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--num_cpu_threads_per_process", "1"]
    launcher += launcher_options
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [*launcher, str(root / script), *arguments],
        cwd=folder,
        env={**environment, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def documented(checkpoint: Path, steps: int) -> list[str]:
    """The options of the document's commands, in their order."""
    return [
        f"--pretrained_model_name_or_path={checkpoint}",
        "--dataset_config=dataset_config.toml",
        "--output_dir=output",
        "--output_name=my_textual_inversion",
        "--save_model_as=safetensors",
        "--token_string=mychar",
        "--init_word=girl",
        "--num_vectors_per_token=4",
        f"--max_train_steps={steps}",
        "--learning_rate=1e-6",
        "--optimizer_type=AdamW8bit",
        "--mixed_precision=fp16",
        "--cache_latents",
        "--sdpa",
    ]


def test_the_documented_command_runs_as_it_is_written(
    root: Path, tiny_checkpoint: CheckpointInfo, config: Path, tmp_path: Path
) -> None:
    done = launch(root, "train_textual_inversion.py", tmp_path, *documented(tiny_checkpoint.path, 3))

    assert done.returncode == 0, done.stderr
    written = tmp_path / "output" / "my_textual_inversion.safetensors"
    assert done.stdout.strip() == str(written)
    embedding = read_embedding(written)
    assert (embedding.step, embedding.vectors_per_token) == (3, 4)
    assert embedding.metadata["ti_studio.trigger"] == "mychar"
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["my_textual_inversion.safetensors"]
    assert "can move a coordinate of the word by 3e-06 at most" in done.stderr
    assert "1 of 3 captions do not hold the word 'mychar'" in done.stderr and "left out: 2.png" in done.stderr
    assert "WebUIs know the word by its file's name: my_textual_inversion, not mychar" in done.stderr


@pytest.mark.skipif(
    "family" not in inspect.signature(write_tiny_checkpoint).parameters,
    reason="no small SDXL checkpoint can be written yet",
)
def test_the_documented_command_for_sdxl_runs_as_it_is_written(root: Path, config: Path, tmp_path: Path) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "sdxl", family="SDXL")

    done = launch(
        root,
        "sdxl_train_textual_inversion.py",
        tmp_path,
        *documented(checkpoint, 2),
        "--cache_text_encoder_outputs",
    )

    assert done.returncode == 0, done.stderr
    assert set(read_embedding(tmp_path / "output" / "my_textual_inversion.safetensors").vectors) == {"clip_l", "clip_g"}
    assert "changes with the word at every step" in done.stderr


def test_two_processes_make_the_word_that_one_makes_with_twice_the_batch(
    root: Path, run: Run, config: Path, tmp_path: Path, tiny_checkpoint: CheckpointInfo
) -> None:
    for index in range(3):
        (config.parent / "pictures" / f"{index}.txt").write_text("mychar, 1girl")
    whole = config.with_name("whole.toml")
    whole.write_text(config.read_text())
    config.write_text(config.read_text().replace("batch_size = 4", "batch_size = 2"))

    done = launch(
        root,
        "train_textual_inversion.py",
        tmp_path,
        f"--pretrained_model_name_or_path={tiny_checkpoint.path}",
        f"--dataset_config={config}",
        f"--output_dir={tmp_path / 'two'}",
        "--output_name=word",
        "--token_string=mychar",
        "--max_train_steps=4",
        "--learning_rate=0.01",
        "--save_every_n_steps=2",
        "--save_model_as=safetensors",
        "--save_state",
        launcher_options=("--multi_gpu", "--num_processes=2", f"--main_process_port={_free_port()}"),
    )

    assert done.returncode == 0, done.stderr
    assert "2 processes: a batch is 2 × 2 = 4 pictures." in done.stderr
    assert done.stderr.count("Loading checkpoint") == 1
    assert done.stdout.splitlines() == [str(tmp_path / "two" / "word.safetensors")]
    names = ["word-state", "word-step00000002.safetensors", "word.safetensors"]
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == names
    two = read_embedding(tmp_path / "two" / "word.safetensors").vectors["clip_l"]
    assert run(f"--dataset_config={whole}", f"--output_dir={tmp_path / 'one'}", "--max_train_steps=4") == 0
    one = read_embedding(tmp_path / "one" / "word.safetensors").vectors["clip_l"]
    assert torch.allclose(two, one, rtol=0, atol=1e-6)
    # One process goes on with what two have begun.
    assert run(f"--dataset_config={whole}", f"--output_dir={tmp_path / 'one'}", "--max_train_steps=6") == 0
    resumed = (f"--resume={tmp_path / 'two' / 'word-state'}", f"--output_dir={tmp_path / 'two'}")
    assert run(f"--dataset_config={whole}", *resumed) == 0
    one, two = (read_embedding(tmp_path / name / "word.safetensors").vectors["clip_l"] for name in ("one", "two"))
    assert torch.allclose(two, one, rtol=0, atol=1e-6)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_files_are_saved_and_samples_painted_when_they_are_due(run: Run, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a mychar --w 64 --h 72 --s 2 --d 7 --l 3 --n blurry\n# no prompt\n")

    ended = run(
        "--save_every_n_steps=2",
        f"--sample_prompts={tmp_path / 'prompts.txt'}",
        "--sample_every_n_steps=3",
        "--sample_at_first",
    )

    assert ended == 0
    output = tmp_path / "output"
    assert sorted(path.name for path in output.glob("*.safetensors")) == [
        "word-step00000002.safetensors",
        "word-step00000004.safetensors",
        "word.safetensors",
    ]
    assert read_embedding(output / "word-step00000002.safetensors").step == 2
    samples = sorted((output / "sample").iterdir())
    assert [(path.name[:14], path.stem[-2:]) for path in samples] == [
        *(("word_000000_00", "_7"), ("word_000003_00", "_7"), ("word_000006_00", "_7")),
    ]
    with Image.open(samples[0]) as image:
        assert image.size == (64, 72)


def test_every_sampler_of_sd_scripts_is_understood() -> None:
    named = "ddim pndm lms euler euler_a heun dpm_2 dpm_2_a dpmsolver dpmsolver++ dpmsingle k_lms k_euler k_euler_a"

    assert set(SAMPLERS) == {*named.split(), "k_dpm_2", "k_dpm_2_a"}
    assert all(find_sampler(name) for name in SAMPLERS.values())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a mychar --ss sine", "There is no sampler 'sine'. There are: DPM++ 2M"),
        ("a mychar --w 9999", "prompts.txt, prompt 'a mychar': width: Input should be less than or equal to"),
        ("a mychar --w wide", "line 1: invalid literal"),
    ],
)
def test_sample_prompts_that_cannot_be_painted_are_told_before_the_training(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    (tmp_path / "prompts.txt").write_text(line)

    assert run(f"--sample_prompts={tmp_path / 'prompts.txt'}", "--sample_every_n_steps=3") == 1

    told = capsys.readouterr().err
    assert message in told and "Encoding" not in told


def test_sample_prompts_that_are_spoilt_meanwhile_cost_their_pictures_and_not_the_training(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a mychar --w 64 --h 64 --s 1 --d 7")

    def write(step: Step) -> None:
        prompts.write_text("a mychar --ss sine" if step.step == 4 else "a mychar --w 64 --h 64 --s 1 --d 8")

    monkeypatch.setattr(sd_scripts_run, "open_log", lambda _plan: write)
    ended = run("--max_train_epochs=1", f"--sample_prompts={prompts}", "--sample_at_first", "--sample_every_n_steps=2")

    assert ended == 0
    assert "note: no sample pictures at step 4: There is no sampler 'sine'" in capsys.readouterr().err
    painted = sorted(path.name for path in (tmp_path / "output" / "sample").iterdir())
    assert [(name[5:11], name[-5]) for name in painted] == [("000000", "7"), ("000002", "8")]


def test_old_files_are_removed_as_asked(run: Run, tmp_path: Path) -> None:
    """sd-scripts, `get_remove_step_no` and `get_remove_epoch_no`."""
    assert run("--save_every_n_steps=1", "--save_last_n_steps=2", "--output_name=steps") == 0
    assert run("--max_train_epochs=3", "--save_n_epoch_ratio=3", "--save_last_n_epochs=1", "--output_name=epochs") == 0

    kept = sorted(path.stem for path in (tmp_path / "output").glob("*.safetensors"))
    assert kept == [
        "epochs",
        "epochs-000002",
        "steps",
        "steps-step00000003",
        "steps-step00000004",
        "steps-step00000005",
    ]


def test_samples_are_due_by_steps_and_by_epochs() -> None:
    request = TrainRequest(name="word", max_steps=30)

    def due(**options: int) -> list[int]:
        return due_every(Plan(request, Path(), "word", options, ()), "sample", 5)

    assert due(sample_every_n_steps=3, sample_every_n_epochs=2) == [3, 10]
    assert due(sample_every_n_epochs=1, save_n_epoch_ratio=2) == [5]
    assert due(sample_every_n_steps=0, sample_every_n_epochs=-1) == []


def test_epochs_are_counted_in_repeated_pictures_with_the_word(run: Run, tmp_path: Path) -> None:
    ended = run("--max_train_epochs=2", "--save_every_n_epochs=1", "--save_model_as=pt")

    assert ended == 0
    assert read_embedding(tmp_path / "output" / "word.pt").step == 10  # 2 · 10 repeats of 2 pictures in batches of 4
    assert read_embedding(tmp_path / "output" / "word-000001.pt").step == 5


def test_a_resumed_training_gives_the_same_word_to_the_last_bit(run: Run, tmp_path: Path) -> None:
    assert run(f"--output_dir={tmp_path / 'whole'}") == 0
    assert run("--max_train_steps=4", "--save_state") == 0
    assert run("--save_state", f"--resume={tmp_path / 'output' / 'word-state'}") == 0

    whole, resumed = (read_embedding(tmp_path / name / "word.safetensors") for name in ("whole", "output"))
    assert (whole.step, resumed.step) == (6, 6)
    assert torch.equal(whole.vectors["clip_l"], resumed.vectors["clip_l"])
    assert not (tmp_path / "whole" / "word-state").exists()
    assert (tmp_path / "output" / "word-state" / "state.safetensors").exists()


def test_ctrl_c_stops_after_the_step_and_leaves_what_resume_needs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def press(step: Step) -> None:
        if step.step == 2:
            signal.raise_signal(signal.SIGINT)

    assert run(f"--output_dir={tmp_path / 'whole'}") == 0
    with monkeypatch.context() as patch:
        patch.setattr(sd_scripts_run, "open_log", lambda _plan: press)
        assert run() == 130
    state = tmp_path / "output" / "word-state"
    assert f"Stopped at step 2. Go on: the same with --resume={state}" in capsys.readouterr().err
    assert run(f"--resume={state}") == 0

    whole, resumed = (read_embedding(tmp_path / name / "word.safetensors") for name in ("whole", "output"))
    assert torch.equal(whole.vectors["clip_l"], resumed.vectors["clip_l"])


def test_a_second_ctrl_c_ends_at_once() -> None:
    with sd_scripts_run._interruptible() as seen:
        signal.raise_signal(signal.SIGINT)
        assert seen
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_an_output_file_that_another_process_is_making_is_refused_with_who_does(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "output" / "word-state"
    work.mkdir(parents=True)
    (work / "state.safetensors").write_bytes(b"of the other process")

    with holding(work / "lock", "word", work):
        assert run() == 1

    told = capsys.readouterr().err
    assert f"'word' is being trained by process {os.getpid()} on" in told and str(work) in told
    assert (work / "state.safetensors").read_bytes() == b"of the other process"
    assert run() == 0
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["word.safetensors"]


def test_a_system_that_shuts_down_stops_a_training_as_ctrl_c_does() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with sd_scripts_run._interruptible() as seen:
        signal.raise_signal(signal.SIGTERM)
        assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_finished_training_that_is_run_again_begins_anew(run: Run, tmp_path: Path) -> None:
    assert run("--save_state", "--max_train_steps=3") == 0
    assert run("--save_state", "--max_train_steps=2") == 0

    assert read_embedding(tmp_path / "output" / "word.safetensors").step == 2


def test_a_training_goes_on_from_the_weights_of_a_file(run: Run, tmp_path: Path) -> None:
    assert run("--init_word=tree") == 0
    first = read_embedding(tmp_path / "output" / "word.safetensors")
    weights = tmp_path / "output" / "word.safetensors"

    assert run(f"--weights={weights}", "--learning_rate=1e-9", "--output_name=next", "--max_train_steps=1") == 0

    following = read_embedding(tmp_path / "output" / "next.safetensors")
    assert torch.allclose(first.vectors["clip_l"], following.vectors["clip_l"], atol=1e-6)


@pytest.mark.parametrize("arguments", [(), ("--use_object_template",)])
def test_the_dataset_is_shown_with_new_token_ids(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run("--debug_dataset", "--num_vectors_per_token=2", *arguments) == 0

    told = capsys.readouterr().out
    assert "tokens are added: [49408, 49409]" in told
    assert "49408, 49409," in told.split("input ids: ")[1]
    assert "32×32, repeats 10, caption: mychar, 1girl, blonde hair, blue eyes" in told
    assert ("2.png\n" in told) is bool(arguments)
    assert ("left out: 2.png" in told) is not bool(arguments)
    assert not (tmp_path / "output").exists()


def test_the_options_of_the_document_and_the_rest_train_together(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(
        *("--init_word=girl", "--num_vectors_per_token=2", "--max_train_steps=3", "--gradient_accumulation_steps=2"),
        *("--optimizer_type=SGDNesterov", "--lr_scheduler=cosine_with_min_lr", "--lr_scheduler_min_lr_ratio=0.1"),
        *("--lr_warmup_steps=0.4", "--max_grad_norm=0.5", "--min_snr_gamma=5", "--debiased_estimation_loss"),
        *("--noise_offset=0.1", "--noise_offset_random_strength", "--adaptive_noise_scale=0.05"),
        *("--multires_noise_iterations=3", "--multires_noise_discount=0.4", "--ip_noise_gamma=0.1"),
        *("--ip_noise_gamma_random_strength", "--min_timestep=100", "--max_timestep=900", "--loss_type=huber"),
        *("--huber_schedule=exponential", "--huber_c=0.2", "--huber_scale=2", "--v_pred_like_loss=0.5"),
        *("--clip_skip=2", "--max_token_length=225", "--gradient_checkpointing", "--vae_batch_size=2", "--seed=3"),
        *("--cache_latents", "--cache_latents_to_disk", "--sdpa", "--flip_aug", "--shuffle_caption", "--lowram"),
        *("--keep_tokens_separator=|||", "--secondary_separator=;;;", "--cache_text_encoder_outputs", "--masked_loss"),
    )

    assert ended == 0, capsys.readouterr().err
    written = read_embedding(tmp_path / "output" / "word.safetensors")
    assert (written.step, written.vectors_per_token) == (3, 2)
    assert written.metadata["modelspec.encoder_layer"] == "2"
    assert list((tmp_path / "output" / "latents").iterdir())


def test_the_six_newer_options_for_the_header_are_modelspecs_keys(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (900, 300), "teal").save(tmp_path / "thumbnail.png")

    ended = run(
        *("--max_train_steps=1", f"--metadata_thumbnail={tmp_path / 'thumbnail.png'}", "--metadata_usage_hint=0.8"),
        *("--metadata_merged_from=cat, hat", "--metadata_trigger_phrase=mychar, girl", "--metadata_preprocessor=crop"),
        "--metadata_is_negative_embedding=true",
    )

    assert ended == 0, capsys.readouterr().err
    path = tmp_path / "output" / "word.safetensors"
    said = read_embedding(path).metadata
    keys = ("usage_hint", "merged_from", "trigger_phrase", "preprocessor", "is_negative_embedding", "sai_model_spec")
    assert [said[f"modelspec.{key}"] for key in keys] == ["0.8", "cat, hat", "mychar, girl", "crop", "true", "1.0.1"]
    content = path.read_bytes()
    content = content[8 + int.from_bytes(content[:8], "little") :]
    assert said["modelspec.hash_sha256"] == f"0x{hashlib.sha256(content).hexdigest()}"
    with Image.open(BytesIO(base64.b64decode(said["modelspec.thumbnail"].partition(",")[2]))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (256, 85))
    assert run("--max_train_steps=1", "--no_metadata") == 0
    assert dict(read_embedding(path).metadata) == {"ti_studio.family": "SD 1"}


def test_another_vae_encodes_the_pictures_and_paints_the_samples(
    run: Run, tmp_path: Path, tiny_checkpoint: CheckpointInfo
) -> None:
    weights = load_file(next((tiny_checkpoint.path / "vae").glob("*.safetensors")))
    shutil.copytree(tiny_checkpoint.path / "vae", tmp_path / "vae")
    other = {name: torch.randn_like(tensor) for name, tensor in weights.items()}
    save_file(other, next((tmp_path / "vae").glob("*.safetensors")), {"format": "pt"})
    (tmp_path / "prompts.txt").write_text("a mychar --w 64 --h 64 --s 1 --d 7\n")
    painted = {}
    for name, options in (("own", ()), ("other", (f"--vae={tmp_path / 'vae'}",))):
        samples = (f"--sample_prompts={tmp_path / 'prompts.txt'}", "--sample_at_first", "--max_train_steps=2")
        assert run(f"--output_dir={tmp_path / name}", *samples, *options) == 0
        painted[name] = next((tmp_path / name / "sample").iterdir()).read_bytes()

    own, other_word = (read_embedding(tmp_path / name / "word.safetensors").vectors["clip_l"] for name in painted)
    assert not torch.equal(own, other_word)
    assert painted["own"] != painted["other"]


def test_without_tensorboard_the_missing_log_is_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    assert run(f"--logging_dir={tmp_path / 'logs'}", "--max_train_steps=1") == 0

    assert "no log is written: the package tensorboard is missing; pip install" in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_tensorboard_reads_back_what_the_steps_were(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    steps: list[Step] = []
    arguments = (f"--logging_dir={tmp_path / 'logs'}", "--log_with=all", "--log_prefix=mine-", "--max_train_steps=3")
    with pytest.MonkeyPatch.context() as patch:
        write = sd_scripts_run.open_log
        patch.setattr(sd_scripts_run, "open_log", lambda plan: both(steps.append, write(plan)))
        assert run(*arguments) == 0

    [folder] = (tmp_path / "logs").iterdir()
    log = accumulator.EventAccumulator(str(folder))
    log.Reload()
    assert folder.name.startswith("mine-")
    assert {name: [event.value for event in log.Scalars(name)] for name in ("loss", "lr", "vector norm")} == {
        "loss": pytest.approx([step.loss for step in steps]),
        "lr": pytest.approx([0.01] * 3),
        "vector norm": pytest.approx([step.vector_norm for step in steps]),
    }
    assert [event.step for event in log.Scalars("loss")] == [1, 2, 3]
    assert "nothing is sent to Weights & Biases" in capsys.readouterr().err


def both(first: Callable[[Step], None], second: Callable[[Step], None]) -> Callable[[Step], None]:
    def write(step: Step) -> None:
        first(step)
        second(step)

    return write


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pretrained_model_name_or_path=nothing.safetensors",), "There is no checkpoint at"),
        (("--resume=nowhere",), "expected a folder that --save_state or Ctrl+C has left"),
        (("--token_string=otherword",), "No caption holds the word 'otherword': 0.png, 1.png, 2.png"),
        (("--sample_prompts=nothing.txt",), "There is no file of sample prompts nothing.txt"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence_and_nothing_is_written(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run(*arguments) == 1

    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("output/*.safetensors"))
