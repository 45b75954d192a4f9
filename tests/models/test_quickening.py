"""A loaded UNet computes what diffusers' does, forth and back, and keeps less for the way back."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.activations import GEGLU
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from ti_studio.models import attention as module
from ti_studio.models import column_convolution, frozen_convolution, quickening
from ti_studio.models.attention import attention
from ti_studio.models.checkpoints import CheckpointInfo
from ti_studio.models.frozen_convolution import freeze_convolutions
from ti_studio.models.frozen_resnet import freeze_resnets
from ti_studio.models.frugal_gate import make_gates_frugal
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import Model, load, load_as_it_is
from ti_studio.models.quickening import quicken
from ti_studio.prompts.conditioning import Conditioning

CPU = torch.device("cpu")


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@pytest.fixture
def nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets tiny models compute as those of real shapes do."""
    monkeypatch.setattr(frozen_convolution, "_SMALL", 0)
    monkeypatch.setattr(quickening, "SMALL", 0)


def kept_by(compute: Callable[..., Tensor], inputs: list[Tensor]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Returns what is kept for the way back, and the result with the gradients."""
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        return kept, there_and_back(compute, inputs)


def there_and_back(compute: Callable[..., Tensor], inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """Returns the result, and the gradients of the inputs."""
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    result = compute(*leaves)
    gradient = numbers(*result.shape, seed=9).to(result.dtype)
    return (result.detach(), *torch.autograd.grad(result, leaves, gradient))


@pytest.mark.parametrize(("positions", "keys"), [(40, 77), (96, 96), (130, 70)])
@pytest.mark.parametrize("in_parts", [False, True], ids=["whole", "in parts"])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 2e-6), (torch.bfloat16, 8e-3)])
def test_attention_is_pytorchs(
    monkeypatch: pytest.MonkeyPatch, positions: int, keys: int, in_parts: bool, dtype: torch.dtype, most: float
) -> None:
    monkeypatch.setattr(module, "_LONG", 1 if in_parts else 10**9)
    monkeypatch.setattr(module, "_AT_ONCE", 64 * keys)  # two or three parts
    sizes = (positions, keys, keys)
    inputs = [numbers(2, size, 3, 16, seed=seed).transpose(1, 2).to(dtype) for seed, size in enumerate(sizes)]

    found = there_and_back(attention, inputs)

    expected = there_and_back(F.scaled_dot_product_attention, [tensor.double() for tensor in inputs])
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == dtype and ours.shape == theirs.shape
        assert distance(ours, theirs) < most


def test_attention_without_gradients_is_pytorchs_own() -> None:
    query = numbers(1, 2, 8, 4)

    with torch.no_grad():
        assert torch.equal(attention(query, query, query), F.scaled_dot_product_attention(query, query, query))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("by_columns", [False, True], ids=["oneDNN", "by columns"])
@pytest.mark.parametrize("kernel_stride_padding", [(3, 1, 1), (1, 1, 0), (3, 2, 1), (4, 2, 0)], ids=str)
def test_a_frozen_convolution_is_the_same_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch,
    nothing_is_small: None,
    dtype: torch.dtype,
    by_columns: bool,
    kernel_stride_padding: tuple[int, int, int],
) -> None:
    monkeypatch.setattr(column_convolution, "_LARGE", 1 if by_columns else 10**9)
    plain = nn.Conv2d(16, 32, *kernel_stride_padding).to(dtype, memory_format=torch.channels_last)
    layers = nn.Sequential(plain.requires_grad_(False), nn.SiLU(inplace=True))
    features = numbers(2, 16, 8, 9).to(dtype).contiguous(memory_format=torch.channels_last)
    expected = there_and_back(layers, [features])

    freeze_convolutions(layers)

    with monkeypatch.context() as changed:
        if by_columns:  # oneDNN's must not be asked
            changed.delattr(torch, "conv2d")
        kept, _ = kept_by(layers[0], [features])
        found = there_and_back(layers, [features])
    assert not kept
    for ours, theirs in zip(found, expected, strict=True):
        assert distance(ours, theirs) < (1e-6 if dtype == torch.float32 else 5e-3)
    with torch.no_grad():
        assert distance(layers(features), expected[0]) < 5e-3


def test_a_large_convolution_of_many_positions_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_convolution, "_LARGE", 1)
    plain = nn.Conv2d(4, 4, 3, padding=1).to(memory_format=torch.channels_last)
    geometry = column_convolution.ColumnConvolution.of(plain)
    assert geometry is not None
    assert geometry.suits(numbers(1, 4, 16, 16)) and geometry.suits(numbers(4, 4, 8, 8))
    assert not geometry.suits(numbers(2, 4, 16, 16))
    assert column_convolution.ColumnConvolution.of(plain.to(memory_format=torch.contiguous_format)) is None


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-6), (torch.bfloat16, 8e-3)])
def test_a_frugal_gate_is_diffusers_and_keeps_one_tensor(
    nothing_is_small: None, dtype: torch.dtype, most: float
) -> None:
    plain = GEGLU(8, 24).requires_grad_(False)
    features = numbers(2, 5, 8)
    expected = there_and_back(plain, [features])
    layers = nn.Sequential(plain.to(dtype))

    make_gates_frugal(layers)

    kept, found = kept_by(layers, [features.to(dtype)])
    assert [tensor.shape[-1] for tensor in kept if tensor.shape[0] == 2] == [48]
    for ours, theirs in zip(found, expected, strict=True):
        assert distance(ours, theirs) < most


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
def test_a_small_convolution_of_one_pixel_is_the_same(order: torch.memory_format) -> None:
    plain = nn.Conv2d(16, 32, 1).requires_grad_(False)
    layers = nn.Sequential(plain)
    features = numbers(2, 16, 8, 8).contiguous(memory_format=order)
    expected = there_and_back(plain, [features])

    freeze_convolutions(layers)

    for ours, theirs in zip(there_and_back(layers, [features]), expected, strict=True):
        assert distance(ours, theirs) < 1e-6


@pytest.mark.parametrize("channels", [16, 24], ids=["as many", "more"])
def test_a_frozen_residual_block_keeps_its_input_and_what_is_between_the_convolutions(
    nothing_is_small: None, channels: int
) -> None:
    settings = {"in_channels": 16, "out_channels": channels, "temb_channels": 8, "groups": 4}
    layers = nn.Sequential(ResnetBlock2D(**settings)).requires_grad_(False).eval()
    features = numbers(2, 16, 8, 8).contiguous(memory_format=torch.channels_last)
    inputs = [features, numbers(2, 8, seed=1)]
    expected = there_and_back(layers[0], inputs)

    freeze_convolutions(layers)
    freeze_resnets(layers)

    kept, found = kept_by(layers[0], inputs)
    assert sorted(tensor.shape[1] for tensor in kept if tensor.dim() == 4) == [16, channels]
    for ours, theirs in zip(found, expected, strict=True):
        assert distance(ours, theirs) < 1e-6


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("family", ["SD 1", "SD 2", "SDXL"])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_a_quickened_unet_predicts_the_same_with_the_same_gradient(
    request: pytest.FixtureRequest,
    tiny_families: dict[str, CheckpointInfo],
    family: str,
    large: bool,
    dtype: torch.dtype,
    most: float,
) -> None:
    if large:
        request.getfixturevalue("nothing_is_small")
    plain = load_as_it_is(tiny_families[family], Hardware(CPU, torch.float32))
    quick = load(tiny_families[family], Hardware(CPU, dtype))
    width = plain.unet.config.cross_attention_dim
    pooled = numbers(2, quick.encoders[-1].width) if family == "SDXL" else None
    noisy, timesteps = numbers(2, 4, 8, 8), torch.tensor([10, 700])

    def predict(model: Model) -> Callable[[Tensor], Tensor]:
        return lambda context: model.predict(noisy, timesteps, Conditioning(context, pooled))

    found, expected = (there_and_back(predict(model), [numbers(2, 77, width)]) for model in (quick, plain))

    left = [
        layer for layer in quick.unet.modules() if isinstance(layer, ResnetBlock2D | Transformer2DModel | nn.Conv2d)
    ]
    assert not left
    assert quick.unet.state_dict().keys() == plain.unet.state_dict().keys()
    for ours, theirs in zip(found, expected, strict=True):
        assert distance(ours, theirs) < most


def test_a_quickened_unet_paints_bit_for_bit_as_diffusers_does(tiny_checkpoint: CheckpointInfo) -> None:
    plain, quick = (make(tiny_checkpoint, Hardware(CPU, torch.float32)) for make in (load_as_it_is, load))
    told = Conditioning(numbers(2, 77, plain.unet.config.cross_attention_dim))

    with torch.no_grad():
        found, expected = (
            model.predict(numbers(2, 4, 8, 8), torch.tensor([10, 700]), told) for model in (quick, plain)
        )

    assert torch.equal(found, expected)


def test_on_another_device_only_the_memory_format_changes(tiny_checkpoint: CheckpointInfo) -> None:
    model = load_as_it_is(tiny_checkpoint, Hardware(CPU, torch.bfloat16))
    before = {type(layer) for layer in model.unet.modules()}

    quicken(model.unet, Hardware(torch.device("cuda"), torch.bfloat16))

    assert {type(layer) for layer in model.unet.modules()} == before
    assert model.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
