"""What other tools write: tests/golden/README.md says which code each file follows."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ti_studio.embeddings.embedding import Embedding, UnreadableEmbedding
from ti_studio.embeddings.formats.files import read_embedding, summarize_embedding
from ti_studio.embeddings.formats.layouts import rows_by_encoder, to_a1111, to_safetensors
from ti_studio.embeddings.library.library import EntryState, Library

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
OUTPUT_EMBEDDINGS = ("onetrainer_output", "onetrainer_output_sdxl")


@pytest.mark.parametrize(
    ("name", "shapes", "step"),
    [
        ("a1111_zip.pt", {"clip_l": (2, 8)}, 1500),
        ("a1111_legacy.pt", {"clip_l": (2, 8)}, 1500),
        ("rinongal.pt", {"clip_l": (2, 8)}, None),
        ("rinongal_legacy.pt", {"clip_l": (2, 8)}, None),
        ("parameter_dict_today.pt", {"clip_l": (2, 8)}, None),
        ("sd_scripts_sd2.safetensors", {"clip_h": (2, 1024)}, None),
        ("sd_scripts.pt", {"clip_l": (2, 8)}, None),
        ("sd_scripts.ckpt", {"clip_l": (2, 8)}, None),
        ("sd_scripts_sdxl.safetensors", {"clip_l": (2, 8), "clip_g": (2, 10)}, None),
        ("learned_embeds.bin", {"clip_l": (1, 8)}, None),
        ("learned_embeds.safetensors", {"clip_l": (2, 8)}, None),
        ("onetrainer.safetensors", {"clip_l": (2, 8)}, None),
        ("onetrainer_after_output.safetensors", {"clip_l": (2, 8)}, None),
        ("onetrainer_flux.safetensors", {"clip_l": (2, 8), "t5xxl": (2, 12)}, None),
        ("diffusers_several.safetensors", {"clip_l": (3, 8)}, None),
        ("comfyui_list.pt", {"clip_l": (3, 8)}, None),
        ("a1111_card.png", {"clip_l": (2, 8)}, 1500),
        ("a1111_card_stripped.webp", {"clip_l": (2, 8)}, 1500),
        ("comfyui_flux.safetensors", {"clip_l": (2, 8), "t5xxl": (2, 12)}, None),
        ("sd3.safetensors", {"clip_l": (2, 8), "clip_g": (2, 10), "t5xxl": (2, 12)}, None),
    ],
)
def test_a_file_of_another_tool_is_read(name: str, shapes: dict[str, tuple[int, int]], step: int | None) -> None:
    embedding = read_embedding(GOLDEN / name)
    assert embedding.name == Path(name).stem
    assert embedding.step == step
    assert embedding.vectors.keys() == shapes.keys()
    for encoder, (count, width) in shapes.items():
        rows = embedding.vectors[encoder]
        assert torch.equal(rows, torch.arange(count * width, dtype=torch.float32).reshape(count, width) / 64)
        assert rows.is_contiguous()
        assert not rows.requires_grad
    summary = summarize_embedding(GOLDEN / name)
    assert (summary.widths, summary.vectors_per_token, summary.step) == (
        embedding.widths,
        embedding.vectors_per_token,
        embedding.step,
    )


@pytest.mark.parametrize("name", ["sd3", "comfyui_flux", "onetrainer_flux"])
def test_an_embedding_of_a_newer_model_is_read_for_inspection_and_fits_no_checkpoint_here(
    tmp_path: Path, name: str
) -> None:
    assert read_embedding(GOLDEN / f"{name}.safetensors").family == "unknown"
    shutil.copy(GOLDEN / f"{name}.safetensors", tmp_path / "cat.safetensors")
    library = Library(tmp_path)
    library.refresh()
    for widths in ({"clip_l": 8}, {"clip_l": 8, "clip_g": 10}):
        (entry,) = library.entries(widths)
        assert entry.state is EntryState.INCOMPATIBLE
        assert entry.reason is not None
        assert entry.reason.startswith(
            "made for a model with the text encoder t5xxl, such as SD 3 or Flux, which can't be used here; "
        )


def test_every_golden_file_is_tested_above() -> None:
    tested = {case[0] for case in test_a_file_of_another_tool_is_read.pytestmark[0].args[1]}
    others = {"README.md", "make.py", "lora_bundle.safetensors", "sd_scripts_xti.safetensors"}
    others |= {f"{name}.safetensors" for name in OUTPUT_EMBEDDINGS}
    assert tested | others == {path.name for path in GOLDEN.iterdir() if path.is_file()}


def test_rows_for_each_layer_of_the_unet_are_refused_with_the_reason() -> None:
    for read in (read_embedding, summarize_embedding):
        with pytest.raises(UnreadableEmbedding, match=r"^sd_scripts_xti\.safetensors is an XTI embedding, which can't"):
            read(GOLDEN / "sd_scripts_xti.safetensors")


@pytest.mark.parametrize("name", OUTPUT_EMBEDDINGS)
def test_an_output_embedding_of_onetrainer_is_no_word_of_zeros_but_refused_with_the_reason(
    tmp_path: Path, name: str
) -> None:
    for read in (read_embedding, summarize_embedding):
        with pytest.raises(UnreadableEmbedding, match="is an output embedding of OneTrainer, which can't be used"):
            read(GOLDEN / f"{name}.safetensors")
    shutil.copy(GOLDEN / f"{name}.safetensors", tmp_path / "cat.safetensors")
    library = Library(tmp_path)
    library.refresh()
    (entry,) = library.entries()
    assert entry.state is EntryState.UNREADABLE
    assert entry.reason is not None
    assert "'Output embedding' off" in entry.reason


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
@pytest.mark.parametrize("key", ["emp_params", "clip_l", "t5"])
def test_the_output_alone_is_no_embedding_either(tmp_path: Path, ending: str, key: str) -> None:
    path, tensors = tmp_path / f"cat{ending}", {f"{key}_out": torch.ones(2, 8)}
    save_file(tensors, path) if ending == ".safetensors" else torch.save(tensors, path)
    for read in (read_embedding, summarize_embedding):
        with pytest.raises(UnreadableEmbedding, match="is an output embedding of OneTrainer"):
            read(path)


def test_a_pickled_output_embedding_is_refused_too(tmp_path: Path) -> None:
    torch.save(load_file(GOLDEN / "onetrainer_output.safetensors"), tmp_path / "cat.pt")
    for read in (read_embedding, summarize_embedding):
        with pytest.raises(UnreadableEmbedding, match="is an output embedding of OneTrainer"):
            read(tmp_path / "cat.pt")


def test_a_word_whose_name_ends_like_onetrainers_outputs_is_a_word() -> None:
    assert rows_by_encoder({"<knock_out>": torch.zeros(1, 8)}).keys() == {"clip_l"}
    with pytest.raises(UnreadableEmbedding, match="found 'cat', 'cat_out'; expected"):
        rows_by_encoder({"cat": torch.zeros(1, 8), "cat_out": torch.zeros(1, 8)})


def test_one_encoder_under_two_names_is_refused_with_both() -> None:
    with pytest.raises(UnreadableEmbedding, match="found 't5', 't5xxl'; expected"):
        rows_by_encoder({"t5": torch.zeros(1, 8), "t5xxl": torch.zeros(1, 8)})


def test_the_checkpoint_that_a1111_notes_is_kept() -> None:
    metadata = read_embedding(GOLDEN / "a1111_zip.pt").metadata
    assert metadata == {"sd_checkpoint": "6ce0161689", "sd_checkpoint_name": "v1-5-pruned-emaonly"}


def test_a_lora_is_refused_with_the_keys_found_and_the_keys_expected() -> None:
    data = {f"lora_te_layers_{n}.lora_down.weight": torch.zeros(4, 768) for n in range(6)}
    with pytest.raises(UnreadableEmbedding) as error:
        rows_by_encoder(data)
    assert str(error.value) == (
        "is not an embedding: found 'lora_te_layers_0.lora_down.weight', 'lora_te_layers_1.lora_down.weight', "
        "'lora_te_layers_2.lora_down.weight', 'lora_te_layers_3.lora_down.weight' and 2 more; "
        "expected emb_params; clip_l and clip_g; string_to_param; one tensor under any name; or <token>, <token>_1, …"
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "found nothing"),
        ({"string_to_param": {}}, "string_to_param holds nothing; expected one"),
        ({"string_to_param": {"*": torch.zeros(1, 8), "+": torch.zeros(1, 8)}}, r"holds '\*', '\+'; expected one"),
        ({"string_to_param": torch.zeros(1, 8)}, "expected one"),
        ({"string_to_param": {"*": torch.tensor(1.0)}}, r"'\*' has the shape \[\]"),
        ({"emb_params": torch.zeros(0, 8)}, r"'emb_params' has the shape \[0, 8\]"),
        ({"emb_params": torch.zeros(1001, 8)}, "expected .* with 1 to 1000 rows"),
        ({"emb_params": torch.zeros(2, 2, 8)}, r"shape \[2, 2, 8\]"),
        ({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(3, 1280)}, "clip_l has 2 rows and clip_g has 3 rows"),
    ],
)
def test_what_is_no_embedding_is_refused_with_what_was_found(data: dict[str, object], reason: str) -> None:
    with pytest.raises(UnreadableEmbedding, match=reason):
        rows_by_encoder(data)


def test_a_family_that_the_file_names_decides_where_the_width_does_not() -> None:
    rows = torch.zeros(1, 48)
    assert rows_by_encoder({"emb_params": rows}).keys() == {"clip_l"}
    assert rows_by_encoder({"emb_params": rows}, "SD 2").keys() == {"clip_h"}
    assert rows_by_encoder({"emb_params": torch.zeros(1, 1024)}, "SD 1").keys() == {"clip_l"}
    assert rows_by_encoder({"clip_g": torch.zeros(1, 1280)}).keys() == {"clip_g"}


def test_a_written_file_has_the_keys_that_every_reader_knows_and_no_other() -> None:
    small, large = torch.zeros(1, 768), torch.zeros(1, 1280)
    assert to_safetensors(Embedding("cat", {"clip_l": small})).keys() == {"emb_params"}
    assert to_safetensors(Embedding("cat", {"clip_l": small, "clip_g": large})).keys() == {"clip_l", "clip_g"}
    assert to_safetensors(Embedding("cat", {"t5xxl": small})).keys() == {"t5xxl"}
    known = {"ti_studio.checkpoint": "demo", "ti_studio.checkpoint_sha256": "0123456789abcdef"}
    a1111 = to_a1111(Embedding("cat", {"clip_l": small}, 5, known))
    assert a1111.pop("string_to_param") == {"*": small}
    assert a1111 == {
        "string_to_token": {"*": 265},
        "name": "cat",
        "step": 5,
        "sd_checkpoint": "0123456789",
        "sd_checkpoint_name": "demo",
        "ti_studio": known,
    }
