"""From sd-scripts' options to one request."""

from pathlib import Path

import pytest

from tests.training.sd_scripts.test_dataset_config import DOCUMENTED
from ti_studio.training.config.dataset import DatasetFolder
from ti_studio.training.config.request import SAID, TrainRequest
from ti_studio.training.sd_scripts.command_line import read_options
from ti_studio.training.sd_scripts.dataset_config import DATASET_KEYS, SUBSET_KEYS
from ti_studio.training.sd_scripts.options import DATASET, OPTIONS, TRAINING, BadConfiguration
from ti_studio.training.sd_scripts.plan import Plan, read_plan

KEYS = {**SUBSET_KEYS, **DATASET_KEYS}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "dataset_config.toml"
    path.write_text(DOCUMENTED)
    return path


def plan(config: Path, *arguments: str) -> Plan:
    needed = ["--token_string=mychar", "--output_dir=output", "--pretrained_model_name_or_path=model.safetensors"]
    return read_plan(read_options([*needed, f"--dataset_config={config}", *arguments], "train"))


def test_the_documented_options_become_a_request(config: Path) -> None:
    made = plan(
        config,
        *("--output_name=my_textual_inversion", "--save_model_as=safetensors", "--init_word=girl"),
        *("--num_vectors_per_token=4", "--max_train_steps=1600", "--learning_rate=1e-6", "--optimizer_type=AdamW8bit"),
        *("--mixed_precision=fp16", "--cache_latents", "--sdpa"),
    )

    request = made.request
    assert (request.name, request.initialization_text, request.vectors_per_token) == ("mychar", "girl", 4)
    assert (request.max_steps, request.learning_rate, request.batch_size) == (1600, "1e-6", 4)
    assert (request.width, request.height, request.save_as) == (512, 512, "safetensors")
    assert request.captions_are_prompts and request.folders[0].num_repeats == 10
    assert (made.output_dir, made.output_name) == (Path("output").resolve(), "my_textual_inversion")


def test_a_rate_is_obeyed(config: Path) -> None:
    made = plan(config, "--learning_rate=1e-6")

    assert made.request.learning_rate == "1e-6"
    assert not any("--learning_rate" in text for text in made.notices)


def test_without_a_rate_sd_scripts_default_is_not_taken(config: Path) -> None:
    made = plan(config)

    assert made.request.learning_rate == TrainRequest.model_fields["learning_rate"].default
    assert any("sd-scripts' own default, 2e-6, would not move the word" in text for text in made.notices)


def test_no_training_ends_before_the_step_that_was_asked_for(config: Path) -> None:
    request = plan(config, "--max_train_steps=1600").request

    assert (request.max_steps, request.validation_every, request.patience, request.keep_best) == (1600, 0, 0, False)


def test_sd_scripts_defaults_are_kept_where_they_work(config: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    options = {
        "token_string": "w",
        "output_dir": "o",
        "pretrained_model_name_or_path": "m",
        "train_data_dir": str(tmp_path / "pictures"),
    }

    request = read_plan(options).request

    assert (request.vectors_per_token, request.batch_size, request.max_steps, request.save_as) == (1, 1, 1600, "pt")


FIELDS: dict[str, tuple[list[str], object]] = {
    "--token_string": (["thing"], "thing"),
    "--init_word": (["girl"], "girl"),
    "--num_vectors_per_token": (["3"], 3),
    "--learning_rate": (["0.005:100,1e-3"], "0.005:100,1e-3"),
    "--gradient_accumulation_steps": (["2"], 2),
    "--max_train_steps": (["7"], 7),
    "--seed": (["3"], 3),
    "--vae": ([str(Path(__file__).parent)], str(Path(__file__).parent)),
    "--vae_batch_size": (["2"], 2),
    "--cache_latents_to_disk": ([], True),
    "--optimizer_type": (["Lion"], "lion"),
    "--use_8bit_adam": ([], "adamw8bit"),
    "--use_lion_optimizer": ([], "lion"),
    "--optimizer_args": (["eps=1e-6", "betas=0.9,0.99"], ("eps=1e-6", "betas=0.9,0.99")),
    "--lr_scheduler": (["cosine"], "cosine"),
    "--lr_warmup_steps": (["0.1"], 160),
    "--lr_decay_steps": (["20"], 20),
    "--lr_scheduler_num_cycles": (["2"], 2),
    "--lr_scheduler_power": (["2"], 2.0),
    "--lr_scheduler_min_lr_ratio": (["0.1"], 0.1),
    "--lr_scheduler_timescale": (["5"], 5),
    "--max_grad_norm": (["0.5"], 0.5),
    "--weight_decay": (["0.01"], 0.01),
    "--min_snr_gamma": (["5"], 5.0),
    "--debiased_estimation_loss": ([], True),
    "--noise_offset": (["0.1"], 0.1),
    "--noise_offset_random_strength": (["--noise_offset=0.1"], True),
    "--adaptive_noise_scale": (["0.05", "--noise_offset=0.1"], 0.05),
    **{f"--metadata_{what}": ([what], what) for what in SAID if what != "thumbnail"},
    "--metadata_thumbnail": ([__file__], str(Path(__file__).resolve())),
    "--metadata_is_negative_embedding": (["true"], True),
    "--no_metadata": ([], False),
    "--multires_noise_iterations": (["6"], 6),
    "--multires_noise_discount": (["0.4"], 0.4),
    "--ip_noise_gamma": (["0.1"], 0.1),
    "--ip_noise_gamma_random_strength": (["--ip_noise_gamma=0.1"], True),
    "--zero_terminal_snr": ([], True),
    "--min_timestep": (["100"], 100),
    "--max_timestep": (["900"], 900),
    "--loss_type": (["huber"], "huber"),
    "--huber_c": (["0.2"], 0.2),
    "--huber_scale": (["2"], 2.0),
    "--huber_schedule": (["constant"], "constant"),
    "--v_pred_like_loss": (["0.5"], 0.5),
    "--scale_v_pred_loss_like_noise_pred": ([], True),
    "--v_parameterization": ([], "v_prediction"),
    "--clip_skip": (["2"], 2),
    "--mixed_precision": (["no"], "fp32"),
    "--full_fp16": ([], "fp16"),
    "--full_bf16": ([], "bf16"),
    "--gradient_checkpointing": ([], True),
}
"""For each option of the training what follows it, and what its field becomes."""

ELSEWHERE = {"--weights", "--weigts", "--train_batch_size"}
"""Need a file; the dataset's file goes before it."""


def test_every_option_of_the_training_becomes_its_field(config: Path) -> None:
    assert set(FIELDS) | ELSEWHERE == {option.flag for option in TRAINING}
    for option in TRAINING:
        if option.flag in FIELDS:
            values, expected = FIELDS[option.flag]
            made = plan(config, option.flag, *values)
            assert getattr(made.request, option.field) == expected, option.flag
            assert TrainRequest.model_fields[option.field].default != expected, option.flag


def test_a_thumbnail_may_be_a_data_url_and_a_picture_that_is_not_there_is_told(config: Path) -> None:
    url = f"data:image/png;base64,{'A' * 5000}"

    assert plan(config, f"--metadata_thumbnail={url}").request.metadata_thumbnail == url
    with pytest.raises(BadConfiguration, match=r"--metadata_thumbnail: there is no picture gone\.png"):
        plan(config, "--metadata_thumbnail=gone.png")
    with pytest.raises(BadConfiguration, match=r"--metadata_is_negative_embedding: .* boolean"):
        plan(config, "--metadata_is_negative_embedding=perhaps")


def test_every_option_of_the_dataset_becomes_its_folders_field(tmp_path: Path) -> None:
    (tmp_path / "10_cat").mkdir()
    values = {"caption_separator": ";", "caption_extension": ".tags", "caption_extention": ".tags", "resolution": "64"}
    values |= {"token_warmup_min": "2", "resize_interpolation": "area", "prior_loss_weight": "0.5"}
    for option in DATASET:
        given = True if option.kind is None else option.kind(values.get(option.name, "1"))
        given = {"min_bucket_reso": 64, "max_bucket_reso": 512, "bucket_reso_steps": 32}.get(option.name, given)
        read = {"token_string": "w", "output_dir": "o", "pretrained_model_name_or_path": "m", option.name: given}
        folder = read_plan({**read, "train_data_dir": str(tmp_path)}).request.folders[0]
        field = "width" if option.name == "resolution" else KEYS[option.dataset_key]
        found = getattr(folder, field)
        if field == "num_repeats":
            assert found == 10  # the folder's name goes before the option
        elif field == "mask_directory":
            assert found == str(Path("1").resolve())
        else:
            assert found == (64 if field == "width" else given), option.flag
            assert field == "width" or DatasetFolder.model_fields[field].default != found, option.flag


@pytest.mark.parametrize(
    ("named", "optimizer", "arguments"),
    [
        ("AdamW8bit", "adamw8bit", ()),
        ("PagedAdamW32bit", "adamw", ()),
        ("DAdaptation", "dadaptation.experimental.DAdaptAdamPreprint", ()),
        ("DAdaptLion", "dadaptation.DAdaptLion", ()),
        ("RAdamScheduleFree", "schedulefree.RAdamScheduleFree", ()),
        ("SGDNesterov", "torch.optim.SGD", ("momentum=0.9", "nesterov=True")),
        ("RMSprop", "torch.optim.RMSprop", ()),
        ("torch.optim.NAdam", "torch.optim.NAdam", ()),
        ("", "adamw", ()),
    ],
)
def test_every_name_of_an_optimizer_is_understood(
    config: Path, named: str, optimizer: str, arguments: tuple[str, ...]
) -> None:
    request = plan(config, f"--optimizer_type={named}").request

    assert (request.optimizer, request.optimizer_args) == (optimizer, arguments)
    assert plan(config, "--use_8bit_adam").request.optimizer == "adamw8bit"
    assert request.max_grad_norm == 1.0


def test_what_the_checkpoint_is_may_be_said(config: Path) -> None:
    request = plan(config, "--v2", "--v_parameterization", "--clip_skip=2", "--max_token_length=225").request

    assert (request.prediction_type, request.clip_skip) == ("v_prediction", 2)
    assert plan(config).request.prediction_type == "auto"


def test_numbers_of_steps_may_be_parts_of_all_steps(config: Path) -> None:
    request = plan(
        config,
        *("--lr_scheduler=warmup_stable_decay", "--lr_warmup_steps=0.1", "--lr_decay_steps=200"),
        *("--lr_scheduler_min_lr_ratio=0.1", "--max_grad_norm=0", "--optimizer_args", "betas=0.9,0.99"),
    ).request

    assert (request.lr_warmup_steps, request.lr_decay_steps, request.lr_min_ratio) == (160, 200, 0.1)
    assert (request.max_grad_norm, request.optimizer_args) == (0, ("betas=0.9,0.99",))
    made = plan(config, "--optimizer_type=Adafactor", "--lr_scheduler=adafactor:5e-3")
    assert made.request.lr_scheduler == "constant"
    assert any(text.startswith("--lr_scheduler adafactor:5e-3: the rate is held") for text in made.notices)


def test_every_option_of_the_dataset_is_the_default_of_a_key(config: Path) -> None:
    made = plan(config, "--shuffle_caption", "--flip_aug", "--caption_prefix=best", "--keep_tokens=7")

    folder = made.request.folders[0]
    assert (folder.shuffle_caption, folder.flip, folder.caption_prefix, folder.keep_tokens) == (False, True, "best", 1)
    assert len({option.flag for option in OPTIONS}) == len(OPTIONS) > len(DATASET)


def test_options_that_change_nothing_are_told_one_a_line(config: Path) -> None:
    notices = plan(config, "--sdpa", "--lowram", "--max_token_length=225").notices

    assert "--sdpa changes nothing: PyTorch's own attention is always used." in notices
    assert sum("changes nothing" in text for text in notices) == 3
    assert all("\n" not in text for text in notices)


def test_caching_of_text_encoder_outputs_keeps_what_can_be_kept(config: Path) -> None:
    assert any(
        "changes with the word at every step" in text for text in plan(config, "--cache_text_encoder_outputs").notices
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lr_scheduler=piecewise_constant"], "write the rates and their last steps into --learning_rate"),
        (["--lr_scheduler=piecewise_constant", "--lr_scheduler_args", "step_rules=1:x"], "found .*step_rules=1:x"),
        (["--lr_scheduler=cosine", "--lr_scheduler_args", "T_max=3"], "cosine has options of its own"),
        (["--lr_scheduler=sine"], "--lr_scheduler: There is no scheduler 'sine'; expected schedule, constant"),
        (["--lr_scheduler_type=StepLR", "--lr_scheduler_args", "3"], "--lr_scheduler_args: .*no name=value pair"),
        (["--output_config"], "--config_file is missing"),
        (["--dataset_class=x"], "--dataset_class can't be followed: use --dataset_config"),
        (["--vae=nothing.pt"], "--vae: there is no file or folder nothing.pt"),
        (["--num_vectors_per_token=76"], r"--num_vectors_per_token: .*less than or equal to 75 \(found 76\)"),
        (["--learning_rate=fast"], "--learning_rate: .*fast"),
        (["--use_object_template", "--use_style_template"], "expected one of the two"),
        (["--weights=nothing.safetensors"], "--weights: there is no file nothing.safetensors"),
        (["--token_string="], "--token_string is missing"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(config: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(BadConfiguration, match=message):
        plan(config, *arguments)


def test_a_template_replaces_the_captions(config: Path) -> None:
    request = plan(config, "--use_style_template").request

    assert (request.captions_are_prompts, request.template) == (False, "imagenet_style.txt")


def test_a_file_of_options_comes_after_the_command_line(config: Path, tmp_path: Path) -> None:
    (tmp_path / "options.toml").write_text(
        "[training]\nmax_train_steps = 7\nlearning_rate = 0.01\nflip_aug = true\nsdpa = false\nseed = 3\n"
    )
    made = plan(config, f"--config_file={tmp_path / 'options'}", "--seed=4")

    assert (made.request.max_steps, made.request.learning_rate, made.request.seed) == (7, "0.01", 4)
    assert made.request.folders[0].flip
    assert not any("--sdpa" in text for text in made.notices)
    (tmp_path / "options.toml").write_text("[training]\nmax_train_step = 7")
    with pytest.raises(BadConfiguration, match="max_train_step is unknown"):
        plan(config, f"--config_file={tmp_path / 'options.toml'}")


KOHYA_SS = """
bucket_reso_steps = 64
cache_latents = true
caption_extension = ".txt"
clip_skip = 1
dynamo_backend = "no"
enable_bucket = true
epoch = 1
gradient_accumulation_steps = 1
huber_c = 0.1
huber_schedule = "snr"
init_word = "*"
learning_rate = 1e-5
loss_type = "l2"
lr_scheduler = "cosine"
lr_scheduler_args = []
lr_scheduler_num_cycles = 1
lr_scheduler_power = 1
lr_warmup_steps = 160
max_bucket_reso = 2048
max_data_loader_n_workers = 0
max_token_length = 75
max_train_steps = 1600
min_bucket_reso = 256
mixed_precision = "fp16"
multires_noise_discount = 0.3
noise_offset_type = "Original"
num_vectors_per_token = 1
optimizer_args = []
optimizer_type = "AdamW8bit"
output_dir = "outputs"
output_name = "last"
persistent_data_loader_workers = 1
pretrained_model_name_or_path = "model.safetensors"
prior_loss_weight = 1
resolution = "512,512"
sample_prompts = "outputs/prompt.txt"
sample_sampler = "euler_a"
save_every_n_epochs = 1
save_model_as = "safetensors"
save_precision = "fp16"
token_string = "mychar"
train_batch_size = 1
train_data_dir = "{pictures}"
wandb_run_name = "last"
weigts = "{weights}"
xformers = true
"""
"""What the page of kohya_ss writes before it starts sd-scripts' command, keys that nothing reads and the wrongly
spelt one included."""


def test_a_file_that_kohya_ss_writes_is_taken(tmp_path: Path) -> None:
    (tmp_path / "10_mychar").mkdir()
    (tmp_path / "old.safetensors").write_bytes(b"")
    text = KOHYA_SS.format(pictures=tmp_path, weights=tmp_path / "old.safetensors")
    (tmp_path / "config.toml").write_text(text)

    made = read_plan(read_options([f"--config_file={tmp_path / 'config.toml'}"], "train"))

    request = made.request
    assert (request.name, request.lr_scheduler, request.lr_warmup_steps) == ("mychar", "cosine", 160)
    assert (request.optimizer, request.learning_rate, request.folders[0].num_repeats) == ("adamw8bit", "1e-05", 10)
    assert request.initialization_file == str(tmp_path / "old.safetensors")
    assert sum("sd-scripts' commands don't read it either" in text for text in made.notices) == 2


def test_options_are_written_into_a_file_that_says_the_same(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "options.toml"
    given = ("--flip_aug", '--caption_prefix=a "b"\\c\x7f', "--optimizer_args", "eps=1e-6", "--lr_warmup_steps=0.25")

    with pytest.raises(SystemExit) as ended:
        plan(config, *given, "--output_config", f"--config_file={path}")

    assert ended.value.code == 0 and str(path) in capsys.readouterr().err
    made = read_plan(read_options([f"--config_file={path}"], "train"))
    assert made.request == plan(config, *given).request
    with pytest.raises(BadConfiguration, match="is there already"):
        plan(config, "--output_config", f"--config_file={path}")


def test_a_scheduler_may_be_a_class_or_rules(config: Path) -> None:
    by_class = plan(config, "--lr_scheduler_type=CosineAnnealingLR", "--lr_scheduler_args", "T_max=100").request
    by_path = plan(config, "--lr_scheduler_type=torch.optim.lr_scheduler.StepLR").request
    rules = ("--learning_rate=0.01", "--lr_scheduler_args", "step_rules='1:100,0.5:300,0.1'")
    by_rules = plan(config, "--lr_scheduler=piecewise_constant", *rules).request

    assert by_class.lr_scheduler == "torch.optim.lr_scheduler.CosineAnnealingLR"
    assert (by_class.lr_scheduler_args, by_path.lr_scheduler_args) == (("T_max=100",), ())
    assert by_path.lr_scheduler == "torch.optim.lr_scheduler.StepLR"
    assert (by_rules.lr_scheduler, by_rules.learning_rate) == ("schedule", "0.01:100, 0.005:300, 0.001")


def test_an_unknown_option_ends_with_status_2(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        plan(config, "--learning_rat_e=1")

    assert ended.value.code == 2
    assert "--learning_rat_e" in capsys.readouterr().err
