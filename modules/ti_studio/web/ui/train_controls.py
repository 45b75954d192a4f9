"""The table of the Train form: one entry per field, in the order and rows in which the controls appear.

A new option takes one line in `TrainRequest` and one here. Fields without an entry can be set under More options.
"""

from collections.abc import Collection
from typing import Any, Final, get_args

import gradio as gr

from ti_studio.training.config.optimizer import OptimizerName, Scheduler
from ti_studio.training.config.request import TrainRequest
from ti_studio.web.ui.controls import Control, Part, Place, group, number, row

WORD: Final[Part] = group(
    row(
        Control(
            gr.Textbox,
            "name",
            "Name",
            "The word you will type in prompts. Also the file name.",
            value="",
            max_lines=1,
            placeholder="blue-cat",
        ),
        Control(
            gr.Textbox,
            "initialization_text",
            "Initialization text",
            "What the word means before training: the kind of thing it is, such as dog or oil painting.",
            max_lines=1,
        ),
    ),
    Place("ti_suggestions", "Suggested initialization texts"),
    Control(
        gr.Slider,
        "vectors_per_token",
        "Number of vectors per token",
        "Tokens the word takes up in a prompt. More capture more but weaken the rest of the prompt. 1 to 4 is usual.",
        minimum=1,
        maximum=75,
        step=1,
        elem_id="ti_vectors",
    ),
    row(
        Control(gr.Checkbox, "overwrite", "Overwrite Old Embedding"),
        Control(gr.Radio, "save_as", "File format"),
    ),
    Control(
        gr.Checkbox,
        "metadata",
        "Say in the file how it was made",
        "Writes the settings and file names into the embedding, but never paths on this machine.",
    ),
)

TEMPLATE: Final = Control(
    gr.Dropdown,
    "template",
    "Prompt template",
    "One of its lines is picked at random for each picture and step. [name] is the word, [filewords] the caption.",
    allow_custom_value=True,
)
"""Built with the template files as its choices, which are only known at runtime."""

LEARNING: Final[Part] = group(
    Control(
        gr.Textbox,
        "learning_rate",
        "Embedding Learning rate",
        "A rate, or rate:step pairs such as 0.005:100, 1e-3:1000, 1e-5. The last rate applies until the end.",
        max_lines=1,
    ),
    Control(
        gr.Radio,
        "learning_rate_unit",
        "Learning rate unit",
        "absolute: the optimizer's own unit, as in 0.005. vocabulary: the distance a vector moves in a step, relative "
        "to the mean norm of the vocabulary.",
    ),
    row(
        Control(number, "batch_size", "Batch size", "Pictures per batch."),
        Control(
            number,
            "gradient_accumulation_steps",
            "Gradient accumulation steps",
            "Batches per optimizer step.",
        ),
    ),
    row(
        Control(number, "max_steps", "Max steps", "Early stopping may end the training sooner."),
        Control(
            number,
            "seed",
            "Seed",
            "The same seed and settings give the same embedding.",
            elem_id="ti_train_seed",
        ),
    ),
)

PICTURES: Final[Part] = group(
    row(
        *(
            Control(
                gr.Slider,
                side,
                side.capitalize(),
                "In pixels.",
                value=512,
                minimum=32,
                maximum=2048,
                step=8,
                elem_id=f"ti_train_{side}",
            )
            for side in ("width", "height")
        )
    ),
    Control(
        gr.Checkbox,
        "flip",
        "Flip",
        "Also train on mirrored pictures. Not for subjects whose left and right sides differ.",
    ),
    Control(
        gr.Checkbox,
        "describe_background",
        "Describe plain backgrounds",
        "Adds “on a blue background” to prompts without captions, so that the word does not learn it.",
    ),
)

RECORDS: Final[Part] = group(
    row(
        Control(
            number,
            "save_every",
            "Save a copy of embedding every N steps, 0 to disable",
            "Saved in the training's folder.",
        ),
        Control(
            number,
            "preview_every",
            "Save an image every N steps, 0 to disable",
            "With the same seeds each time.",
        ),
    ),
    row(
        Control(
            gr.Textbox,
            "preview_prompts",
            "Preview prompts",
            "One per line. [name] is the word.",
            lines=2,
            max_lines=8,
            scale=3,
        ),
        Control(
            gr.Textbox,
            "preview_negative_prompt",
            "Preview negative prompt",
            "For all previews.",
            lines=2,
            max_lines=8,
            scale=2,
        ),
    ),
    row(
        Control(number, "preview_count", "Preview pictures", "Per prompt."),
        Control(number, "preview_seed", "Preview seed", "The seed of each prompt's first picture."),
    ),
)

VALIDATION: Final[Part] = group(
    row(
        Control(
            number,
            "validation_every",
            "Validate every N steps, 0 to disable",
            "The unweighted loss on a fixed set of samples.",
        ),
        Control(number, "patience", "Patience", "Validations that early stopping compares. 0 disables it."),
    ),
    row(
        Control(
            gr.Radio,
            "early_stopping",
            "Early stopping",
            "Stop when the validation loss no longer improves, or when it hardly varies any more (DVAR).",
        ),
        Control(
            gr.Checkbox,
            "keep_best",
            "Keep the best",
            "Save the vectors with the lowest validation loss instead of the last ones.",
            min_width=160,
        ),
    ),
)

ROWS: Final[Part] = group(
    row(
        Control(
            gr.Radio,
            "parametrization",
            "Parametrization",
            "direction fixes the vectors' norm at the vocabulary's mean: the rest of the prompt keeps more weight.",
        ),
        Control(
            number,
            "prior_weight",
            "Prior weight",
            "With direction: pulls towards the initial direction. 1e-4 is usual.",
        ),
    ),
    row(
        Control(number, "norm_limit", "Norm limit", "In multiples of the vocabulary's mean norm. 0 disables it."),
        Control(number, "init_weight", "Initialization weight", "Pulls towards the initialization text."),
        Control(
            number,
            "ema_decay",
            "EMA decay",
            "Previews and saves an average of the vectors. 0.99 is usual, 0 disables it.",
        ),
    ),
    row(
        Control(number, "context_weight", "Context weight", "Preserves the meaning of the prompt's other tokens."),
        Control(number, "prompt_weight", "Prompt weight", "Preserves the layout of other prompts. Slower."),
    ),
)

OPTIMIZER: Final[Part] = group(
    row(
        Control(
            gr.Dropdown,
            "optimizer",
            "Optimizer",
            "Or a class such as torch.optim.RMSprop.",
            choices=list(get_args(OptimizerName)),
            allow_custom_value=True,
        ),
        Control(
            gr.Textbox,
            "optimizer_args",
            "Optimizer arguments",
            "name=value, one per line.",
            lines=1,
            max_lines=4,
        ),
    ),
    row(
        Control(
            gr.Dropdown,
            "lr_scheduler",
            "Learning-rate scheduler",
            "schedule uses the learning rate's rate:step pairs. Or a torch class.",
            choices=list(get_args(Scheduler)),
            allow_custom_value=True,
        ),
        Control(number, "lr_warmup_steps", "Warm-up steps", "The learning rate rises during these."),
    ),
)

OBJECTIVE: Final[Part] = group(
    row(
        Control(
            number, "min_snr_gamma", "Min-SNR gamma", "Less weight for low-noise timesteps. 5 is usual, 0 disables it."
        ),
        Control(number, "min_timestep", "Min timestep", "0 to 999. Low ones teach texture."),
        Control(number, "max_timestep", "Max timestep", "1 to 1000. High ones decide the layout."),
        Control(number, "clip_skip", "Clip skip", "As in txt2img: 2 for many SD 1 anime checkpoints."),
    )
)

COMPUTING: Final[Part] = group(
    row(
        Control(
            gr.Dropdown,
            "precision",
            "Precision",
            "auto is bf16 where the device supports it. The vectors are always fp32.",
        ),
        Control(
            gr.Checkbox,
            "gradient_checkpointing",
            "Gradient checkpointing",
            "Saves memory but takes longer.",
        ),
    )
)

MORE_WORDS: Final[Part] = Control(
    gr.Textbox,
    "more_words",
    "More words",
    "Trained together on the same pictures, whose captions contain them. One per line: "
    "name : initialization text : vectors.",
    lines=1,
    max_lines=6,
)

SETTINGS: Final[tuple[Part, ...]] = (LEARNING, PICTURES, RECORDS)
"""The sections below the prompt template."""

ADVANCED: Final[tuple[Part, ...]] = (VALIDATION, ROWS, OPTIMIZER, OBJECTIVE, COMPUTING, MORE_WORDS)
"""The closed section at the end of the form."""


def options_without_control(controls: Collection[str]) -> dict[str, Any]:
    """Returns the defaults of the request's fields without a control; `controls` names those that have one."""
    fields = TrainRequest.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields if name not in controls}
