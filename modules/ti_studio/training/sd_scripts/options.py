"""The options of sd-scripts' Textual Inversion commands, and what each one becomes. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ti_studio.errors import StudioError
from ti_studio.training.config.request import SAID


class BadConfiguration(StudioError):
    """A dataset configuration or an option that can't be followed; says where, and what was expected."""


@dataclass(frozen=True)
class Option:
    """One option. It becomes a field of the request, a key of the dataset, something that the command does itself,
    or nothing."""

    flag: str
    kind: Callable[[str], Any] | None
    """How its value is read; None for an option without one."""
    help: str
    field: str = ""
    """The field of TrainRequest that it sets."""
    dataset_key: str = ""
    """The key of a dataset configuration that it is the default of."""
    without_effect: str = ""
    """Why it changes nothing here."""
    refused: str = ""
    """Why it can't be followed."""
    names: Mapping[str, str] | None = None
    """sd-scripts' values, lower case, that have another name here."""
    choices: tuple[str, ...] | None = None
    several: bool = False
    value: Any = None
    """What the field becomes, for an option without a value that stands for one."""

    @property
    def name(self) -> str:
        """The option's name without the dashes."""
        return self.flag.removeprefix("--")


OPTIMIZERS = {
    "adamw": "adamw",
    "adamw8bit": "adamw8bit",
    # A word's state is some kilobytes: there is nothing to page.
    "pagedadamw": "adamw",
    "pagedadamw8bit": "adamw8bit",
    "pagedadamw32bit": "adamw",
    "lion": "lion",
    "lion8bit": "bitsandbytes.optim.Lion8bit",
    "pagedlion8bit": "bitsandbytes.optim.Lion8bit",
    "sgdnesterov": "torch.optim.SGD",
    "sgdnesterov8bit": "bitsandbytes.optim.SGD8bit",
    "adafactor": "adafactor",
    "prodigy": "prodigy",
    "dadaptation": "dadaptation.experimental.DAdaptAdamPreprint",
    "dadaptadampreprint": "dadaptation.experimental.DAdaptAdamPreprint",
    "dadaptadagrad": "dadaptation.DAdaptAdaGrad",
    "dadaptadam": "dadapt",
    "dadaptadan": "dadaptation.DAdaptAdan",
    "dadaptadanip": "dadaptation.experimental.DAdaptAdanIP",
    "dadaptlion": "dadaptation.DAdaptLion",
    "dadaptsgd": "dadaptation.DAdaptSGD",
    "adamwschedulefree": "schedulefree",
    "radamschedulefree": "schedulefree.RAdamScheduleFree",
    "sgdschedulefree": "schedulefree.SGDScheduleFree",
}
NESTEROV = ("sgdnesterov", "sgdnesterov8bit")
"""Those that sd-scripts gives a momentum."""

_PRECISIONS = {"no": "fp32"}
_ATTENTION = "PyTorch's own attention is always used"
_MEMORY = "models stay on the device"
_WORKERS = "pictures are encoded before the first step"

TRAINING = (
    Option("--token_string", str, "the word to teach, as it stands in the captions", "name"),
    Option("--init_word", str, "what the word means before the first step", "initialization_text"),
    Option("--num_vectors_per_token", int, "rows of the embedding", "vectors_per_token"),
    Option("--weights", str, "an embedding file to start from", "initialization_file"),
    Option("--weigts", str, "the same, as kohya_ss writes it into its files", "initialization_file"),
    Option("--learning_rate", str, "the rate; 5e-3 is usual, 1e-6 moves nothing", "learning_rate"),
    Option("--train_batch_size", int, "pictures in a batch", "batch_size"),
    Option("--gradient_accumulation_steps", int, "batches in a step", "gradient_accumulation_steps"),
    Option("--max_train_steps", int, "optimizer steps", "max_steps"),
    Option("--use_8bit_adam", None, "the same as --optimizer_type AdamW8bit", "optimizer", value="adamw8bit"),
    Option("--use_lion_optimizer", None, "the same as --optimizer_type Lion", "optimizer", value="lion"),
    Option("--seed", int, "everything random follows from it", "seed"),
    Option("--vae", str, "a file or a diffusers folder, in place of the checkpoint's VAE", "vae"),
    Option("--vae_batch_size", int, "pictures that are encoded together", "vae_batch_size"),
    Option("--cache_latents_to_disk", None, "keep encoded pictures for the next training", "cache_latents_to_disk"),
    Option("--optimizer_type", str, "AdamW, AdamW8bit, Lion, Prodigy, …", "optimizer", names=OPTIMIZERS),
    Option("--optimizer_args", str, "key=value …", "optimizer_args", several=True),
    Option("--lr_scheduler", str, "constant, linear, cosine, …", "lr_scheduler"),
    Option("--lr_warmup_steps", float, "steps, or below 1 the part of all steps", "lr_warmup_steps"),
    Option("--lr_scheduler_num_cycles", int, "restarts of cosine_with_restarts", "lr_num_cycles"),
    Option("--lr_scheduler_power", float, "power of polynomial", "lr_power"),
    Option("--max_grad_norm", float, "longest gradient; 0 for any", "max_grad_norm"),
    Option("--min_snr_gamma", float, "weigh timesteps by their signal-to-noise ratio", "min_snr_gamma"),
    Option("--noise_offset", float, "noise that is one value over a whole channel", "noise_offset"),
    Option("--multires_noise_iterations", int, "pyramid noise", "multires_noise_iterations"),
    Option("--multires_noise_discount", float, "pyramid noise", "multires_noise_discount"),
    Option("--ip_noise_gamma", float, "perturbation of the noised latents", "ip_noise_gamma"),
    Option("--zero_terminal_snr", None, "a noise schedule that ends in noise alone", "zero_terminal_snr"),
    Option("--min_timestep", int, "first timestep that is drawn", "min_timestep"),
    Option("--max_timestep", int, "timesteps below this one are drawn", "max_timestep"),
    Option("--loss_type", str, "l2, l1, huber or smooth_l1", "loss_type"),
    Option("--huber_c", float, "where huber turns from square to line", "huber_c"),
    Option("--v_pred_like_loss", float, "v-prediction", "v_pred_like_loss"),
    Option("--scale_v_pred_loss_like_noise_pred", None, "v-prediction", "scale_v_pred_loss_like_noise_pred"),
    Option("--weight_decay", float, "pull of the rows towards zero", "weight_decay"),
    Option("--mixed_precision", str, "no, fp16 or bf16 [bf16 where it is fast]", "precision", names=_PRECISIONS),
    Option("--full_fp16", None, "the same as --mixed_precision fp16", "precision", value="fp16"),
    Option("--full_bf16", None, "the same as --mixed_precision bf16", "precision", value="bf16"),
    Option("--v_parameterization", None, "it predicts velocity", "prediction_type", value="v_prediction"),
    Option("--clip_skip", int, "which of the text encoder's last layers to take", "clip_skip"),
    Option("--gradient_checkpointing", None, "less memory, more time", "gradient_checkpointing"),
    Option("--debiased_estimation_loss", None, "weigh timesteps", "debiased_estimation_loss"),
    Option("--huber_scale", float, "factor of huber's c", "huber_scale"),
    Option("--noise_offset_random_strength", None, "between 0 and the noise offset", "noise_offset_random_strength"),
    Option("--ip_noise_gamma_random_strength", None, "between 0 and the gamma", "ip_noise_gamma_random_strength"),
    Option("--lr_decay_steps", float, "steps of the fall, or below 1 the part of all steps", "lr_decay_steps"),
    Option("--lr_scheduler_min_lr_ratio", float, "where the rate ends", "lr_min_ratio"),
    Option("--lr_scheduler_timescale", int, "of inverse_sqrt", "lr_timescale"),
    Option("--huber_schedule", str, "how huber's c depends on the timestep", "huber_schedule"),
    Option("--adaptive_noise_scale", float, "noise offset by the latents' mean", "adaptive_noise_scale"),
    *(Option(f"--metadata_{what}", str, "said in the file's header", f"metadata_{what}") for what in SAID),
    Option(
        "--metadata_is_negative_embedding",
        str,
        "true: the header says that it belongs into the negative prompt",
        "metadata_is_negative_embedding",
    ),
    Option("--no_metadata", None, "a file that holds the rows alone", "metadata", value=False),
)

DATASET = (
    Option("--resolution", str, "512, or 512,768 for width and height", dataset_key="resolution"),
    Option("--caption_extension", str, "ending of the caption files", dataset_key="caption_extension"),
    Option("--caption_extention", str, "the same", dataset_key="caption_extension"),
    Option("--shuffle_caption", None, "another order of the tags each time", dataset_key="shuffle_caption"),
    Option("--keep_tokens", int, "tags at the beginning that stay there", dataset_key="keep_tokens"),
    Option("--caption_separator", str, "what stands between tags", dataset_key="caption_separator"),
    Option("--caption_prefix", str, "text before every caption", dataset_key="caption_prefix"),
    Option("--caption_suffix", str, "text after every caption", dataset_key="caption_suffix"),
    Option("--enable_wildcard", None, "{a|b} in captions", dataset_key="enable_wildcard"),
    Option("--caption_dropout_rate", float, "how often a caption is left out", dataset_key="caption_dropout_rate"),
    Option("--caption_tag_dropout_rate", float, "how often a tag is left out", dataset_key="caption_tag_dropout_rate"),
    Option("--dataset_repeats", int, "how often each picture is seen in an epoch", dataset_key="num_repeats"),
    Option("--keep_tokens_separator", str, "divides what stays", dataset_key="keep_tokens_separator"),
    Option("--secondary_separator", str, "tags that stay together", dataset_key="secondary_separator"),
    Option("--color_aug", None, "vary colours", dataset_key="color_aug"),
    Option("--flip_aug", None, "mirrored pictures too", dataset_key="flip_aug"),
    Option("--random_crop", None, "crop at random places", dataset_key="random_crop"),
    Option("--token_warmup_min", int, "tags that are there from the first step", dataset_key="token_warmup_min"),
    Option("--token_warmup_step", float, "steps until all tags are there", dataset_key="token_warmup_step"),
    Option("--resize_interpolation", str, "lanczos, area, bicubic, …", dataset_key="resize_interpolation"),
    Option("--prior_loss_weight", float, "of regularisation pictures", dataset_key="prior_loss_weight"),
    Option("--alpha_mask", None, "learn only where pictures are opaque", dataset_key="alpha_mask"),
    Option("--conditioning_data_dir", str, "folder of masks", dataset_key="conditioning_data_dir"),
    Option("--enable_bucket", None, "train each picture near its own shape", dataset_key="enable_bucket"),
    Option("--min_bucket_reso", int, "a bucket's shortest side", dataset_key="min_bucket_reso"),
    Option("--max_bucket_reso", int, "a bucket's longest side", dataset_key="max_bucket_reso"),
    Option("--bucket_reso_steps", int, "pixels between buckets", dataset_key="bucket_reso_steps"),
    Option("--bucket_no_upscale", None, "never enlarge", dataset_key="bucket_no_upscale"),
)

COMMAND = (
    Option("--pretrained_model_name_or_path", str, "the checkpoint: a file or a diffusers folder"),
    Option("--v2", None, "the checkpoint is an SD 2; found out without it"),
    Option("--dataset_config", str, "the dataset's TOML file"),
    Option("--train_data_dir", str, "a folder of folders N_name"),
    Option("--in_json", str, "a JSON file of the pictures' captions"),
    Option("--reg_data_dir", str, "the same, of regularisation pictures"),
    Option("--output_dir", str, "where to write"),
    Option("--output_name", str, "the file's name without ending [the word]"),
    Option("--save_model_as", str, "[pt]", choices=("ckpt", "pt", "safetensors")),
    Option("--use_object_template", None, "prompts such as “a photo of a …” instead of captions"),
    Option("--use_style_template", None, "prompts such as “a painting in the style of …” instead of captions"),
    Option("--max_train_epochs", int, "epochs, instead of steps"),
    Option("--save_every_n_steps", int, "steps between saved files"),
    Option("--save_every_n_epochs", int, "epochs between saved files"),
    Option("--save_n_epoch_ratio", int, "so many files over the training, by epochs"),
    Option("--save_last_n_steps", int, "remove files that are older than so many steps"),
    Option("--save_last_n_epochs", int, "keep so many files of epochs"),
    Option("--save_state", None, "keep what --resume needs"),
    Option("--save_state_on_train_end", None, "the same"),
    Option("--resume", str, "the folder of a saved state to go on from"),
    Option("--sample_prompts", str, "a file of prompts, one a line"),
    Option("--sample_every_n_steps", int, "steps between sample pictures"),
    Option("--sample_every_n_epochs", int, "epochs between sample pictures"),
    Option("--sample_at_first", None, "sample before the first step too"),
    Option("--sample_sampler", str, "[ddim]"),
    Option("--logging_dir", str, "where TensorBoard's files go"),
    Option("--log_with", str, "tensorboard"),
    Option("--log_prefix", str, "before the name of the log's folder"),
    Option("--debug_dataset", None, "show pictures, captions and token ids, and train nothing"),
    Option("--cache_latents", None, "latents are cached without it"),
    Option("--masked_loss", None, "use the masks; they are used without it"),
    Option("--cache_text_encoder_outputs", None, "SDXL"),
    Option("--cache_text_encoder_outputs_to_disk", None, "SDXL"),
    Option("--config_file", str, "a TOML file of options"),
    Option("--output_config", None, "write the options into the --config_file, and train nothing"),
    Option("--lr_scheduler_type", str, "a class of torch.optim.lr_scheduler, or any by its path"),
    Option("--lr_scheduler_args", str, "of that class, key=value …", several=True),
)

OTHERS = (
    *(
        Option(flag, None, "attention", without_effect=_ATTENTION)
        for flag in ("--xformers", "--sdpa", "--mem_eff_attn")
    ),
    *(Option(flag, None, "memory", without_effect=_MEMORY) for flag in ("--lowram", "--highvram")),
    Option("--max_data_loader_n_workers", int, "workers", without_effect=_WORKERS),
    Option("--persistent_data_loader_workers", None, "workers", without_effect=_WORKERS),
    Option("--max_token_length", int, "75, 150 or 225", without_effect="captions of any length are read"),
    Option("--no_half_vae", None, "the VAE in float32", without_effect="the VAE always is in float32"),
    Option("--fp8_base", None, "UNet in 8 bits", without_effect="nothing is kept in 8 bits"),
    Option("--save_precision", str, "of the file", without_effect="the file is always float32, and a few kilobytes"),
    Option("--skip_cache_check", None, "caches", without_effect="a kept latent is found by the picture's content"),
    Option("--cache_info", None, "caches", without_effect="pictures are looked at before every training"),
    Option("--tokenizer_cache_dir", str, "tokenizer", without_effect="the checkpoint's own tokenizer is used"),
    Option("--disable_mmap_load_safetensors", None, "loading", without_effect="files are loaded as they are"),
    Option("--torch_compile", None, "compile", without_effect="nothing is compiled"),
    Option("--dynamo_backend", str, "compile", without_effect="nothing is compiled"),
    *(
        Option(flag, int, "old states", without_effect="there is one state, the newest")
        for flag in ("--save_last_n_steps_state", "--save_last_n_epochs_state")
    ),
    *(
        Option(flag, str, "tracker", without_effect="the log goes to --logging_dir alone")
        for flag in ("--log_tracker_name", "--log_tracker_config", "--wandb_run_name", "--wandb_api_key")
    ),
    Option("--log_config", None, "tracker", without_effect="the word's file holds the request"),
    *(
        Option(flag, None, "several devices", without_effect="a word's gradient is too small to matter")
        for flag in ("--ddp_gradient_as_bucket_view", "--ddp_static_graph")
    ),
    Option("--ddp_timeout", int, "several devices", without_effect="accelerate's own timeout is used"),
    Option("--fused_backward_pass", None, "memory", without_effect="a word's optimizer takes some kilobytes"),
    *(
        Option(flag, kind, "validation", without_effect="nothing is held out")
        for flag, kind in (("--validation_seed", int), ("--validation_split", float))
    ),
    *(
        Option(flag, str, "upload", without_effect="nothing is uploaded")
        for flag in (
            *("--huggingface_repo_type", "--huggingface_path_in_repo", "--huggingface_token"),
            "--huggingface_repo_visibility",
        )
    ),
    Option("--async_upload", None, "upload", without_effect="nothing is uploaded"),
    Option("--training_comment", str, "metadata", without_effect="use --metadata_description"),
    Option("--console_log_level", str, "log", without_effect="there is one level"),
    Option("--console_log_file", str, "log", without_effect="messages go to the standard error output"),
    Option("--console_log_simple", None, "log", without_effect="messages are plain lines"),
    *(
        Option(flag, str, "a key of kohya_ss's files", without_effect="sd-scripts' commands don't read it either")
        for flag in (
            *("--epoch", "--noise_offset_type", "--no_token_padding", "--caption_dropout_every_n_epochs"),
            "--stop_text_encoder_training",
        )
    ),
    Option("--dataset_class", str, "a class of one's own", refused="use --dataset_config"),
    Option("--face_crop_aug_range", str, "crops of faces", refused="use --random_crop"),
    Option("--huggingface_repo_id", str, "upload", refused="nothing is uploaded"),
    Option("--save_state_to_huggingface", None, "upload", refused="nothing is uploaded"),
    Option("--resume_from_huggingface", None, "download", refused="nothing is downloaded; use --resume with a folder"),
    *(
        Option(flag, kind, "DeepSpeed", without_effect="DeepSpeed is not used")
        for flag, kind in (
            *(("--zero_stage", int), ("--offload_optimizer_device", str), ("--offload_optimizer_nvme_path", str)),
            *(("--offload_param_device", str), ("--offload_param_nvme_path", str), ("--zero3_init_flag", None)),
            *(("--zero3_save_16bit_model", None), ("--fp16_master_weights_and_gradients", None)),
        )
    ),
    Option("--deepspeed", None, "DeepSpeed", refused="a word needs no such thing; several devices work without it"),
)

OPTIONS = (*TRAINING, *DATASET, *COMMAND, *OTHERS)
