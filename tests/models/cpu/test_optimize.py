"""A loaded UNet computes what diffusers' does, forth and back, and keeps less for the way back."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.activations import GEGLU
from diffusers.models.attention import FeedForward
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from ti_studio.models.checkpoint.checkpoints import CheckpointInfo
from ti_studio.models.cpu import attention as module
from ti_studio.models.cpu import convolution, geglu, im2col_convolution, optimize, winograd
from ti_studio.models.cpu.attention import attention
from ti_studio.models.cpu.convolution import freeze_convolutions
from ti_studio.models.cpu.geglu import recompute_geglus
from ti_studio.models.cpu.optimize import optimize_for_training
from ti_studio.models.cpu.resnet import freeze_resnets
from ti_studio.models.cpu.upsampling import FrozenUpsampling, freeze_upsamplers
from ti_studio.models.cpu.winograd import WinogradConvolution, use_winograd
from ti_studio.models.hardware import Hardware
from ti_studio.models.loading import Model, load, load_as_it_is
from ti_studio.prompts.conditioning import Conditioning
from ti_studio.server_options import NO_CPU_KERNELS

CPU = torch.device("cpu")


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@pytest.fixture(autouse=True)
def same_weights_each_time() -> None:
    torch.manual_seed(0)


@pytest.fixture
def nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets tiny models compute as those of real shapes do."""
    monkeypatch.setattr(convolution, "_SMALL", 0)
    monkeypatch.setattr(optimize, "SMALL", 0)


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


def test_attention_in_parts_is_as_near_for_keys_and_values_far_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONG", 1)
    query, key, value = (numbers(2, 3, 96, 16, seed=seed) for seed in range(3))
    inputs = [tensor.bfloat16() for tensor in (query, key + 3, value + 3)]

    found = there_and_back(attention, inputs)

    expected = there_and_back(F.scaled_dot_product_attention, [tensor.double() for tensor in inputs])
    for ours, theirs in zip(found, expected, strict=True):
        assert distance(ours, theirs) < 1e-2  # PyTorch's own gradient of the queries is 9e-2 off


def test_attention_in_parts_that_looks_everywhere_alike_finds_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONG", 1)
    query, key, value = (numbers(2, 3, 512, 16, seed=seed) for seed in range(3))
    inputs = [tensor.bfloat16() for tensor in (query * 0.05, key, value)]

    found = there_and_back(attention, inputs)

    expected = there_and_back(F.scaled_dot_product_attention, [tensor.double() for tensor in inputs])
    for ours, theirs in zip(found, expected, strict=True):
        assert distance(ours, theirs) < 6e-3


def test_attention_in_parts_of_scores_whose_powers_no_number_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONG", 1)
    monkeypatch.setattr(module, "_AT_ONCE", 64 * 96)
    query, key, value = (numbers(2, 3, 96, 16, seed=seed).bfloat16() for seed in range(3))
    query[..., 0] = key[..., 0] = 0
    query[:, :, 3:9, 0] = 40  # in the first part alone
    key[:, :, 50:52] = torch.eye(16)[0] * 40  # two keys which these queries share between them

    found = there_and_back(attention, [query, key, value])

    plain = there_and_back(F.scaled_dot_product_attention, [query, key, value])
    expected = there_and_back(F.scaled_dot_product_attention, [tensor.double() for tensor in (query, key, value)])
    for ours, theirs, true in zip(found, plain, expected, strict=True):
        assert distance(ours, true) < 3 * distance(theirs, true)


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
    monkeypatch.setattr(im2col_convolution, "_LARGE", 1 if by_columns else 10**9)
    plain = nn.Conv2d(16, 32, *kernel_stride_padding).to(dtype, memory_format=torch.channels_last)
    layers = nn.Sequential(plain.requires_grad_(False), nn.SiLU(inplace=True))
    features = numbers(2, 16, 8, 9).to(dtype).contiguous(memory_format=torch.channels_last)
    # Without AVX-512 oneDNN's own way back rounds each of its sums to bfloat16: it is no measure for ours then.
    measure = torch.float64 if by_columns else dtype
    expected = there_and_back(copy.deepcopy(layers).to(measure), [features.to(measure)])

    freeze_convolutions(layers)

    with monkeypatch.context() as changed:
        if by_columns:  # oneDNN's must not be asked
            changed.delattr(torch, "conv2d")
        kept, _ = kept_by(layers[0], [features])
        found = there_and_back(layers, [features])
    assert not kept
    for ours, theirs in zip(found, expected, strict=True):
        # What is rounded to bfloat16 once is off by 1.7e-3 of its length. The gradient is rounded four times, as it
        # comes in, behind the activation, as products and as their sum: 2 · 1.7e-3; with each sum rounded, 4.7e-3.
        assert distance(ours, theirs) < (1e-6 if dtype == torch.float32 else 4e-3)
    with torch.no_grad():
        assert distance(layers(features), expected[0]) < 4e-3


def test_a_gradient_with_channels_first_goes_back_as_one_product(
    monkeypatch: pytest.MonkeyPatch, nothing_is_small: None
) -> None:
    """PyTorch would copy the weight for each row."""
    monkeypatch.setattr(im2col_convolution, "_LARGE", 1)
    layers = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1).to(memory_format=torch.channels_last)).requires_grad_(False)
    features = numbers(2, 4, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    gradient = numbers(2, 6, 8, 8, seed=1)
    expected = torch.autograd.grad(layers(features), features, gradient)[0]
    freeze_convolutions(layers)
    result = layers(features)

    with torch.profiler.profile() as seen:
        found = torch.autograd.grad(result, features, gradient)[0]

    assert distance(found, expected) < 1e-6
    assert not [event for event in seen.events() if event.name == "aten::bmm"]


def test_a_large_convolution_of_many_positions_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(im2col_convolution, "_LARGE", 1)
    plain = nn.Conv2d(4, 4, 3, padding=1).to(memory_format=torch.channels_last)
    geometry = im2col_convolution.ColumnConvolution.of(plain)
    assert geometry is not None
    assert geometry.suits(numbers(1, 4, 16, 16)) and geometry.suits(numbers(4, 4, 8, 8))
    assert not geometry.suits(numbers(2, 4, 16, 16))
    assert im2col_convolution.ColumnConvolution.of(plain.to(memory_format=torch.contiguous_format)) is None


@pytest.fixture
def tiny_ones_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets convolutions of a few channels be Winograd's, in more than one part."""
    monkeypatch.setattr(winograd, "_FEWEST_CHANNELS", 1)
    monkeypatch.setattr(winograd, "_TILES_AT_ONCE", 16)


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 5), (1, 1)], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["with bias", "without"])
def test_a_winograd_convolution_is_the_same_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, tiny_ones_gain: None, size: tuple[int, int], bias: bool
) -> None:
    plain = nn.Conv2d(16, 24, 3, padding=1, bias=bias).to(memory_format=torch.channels_last)
    layers = nn.Sequential(plain.requires_grad_(False), nn.SiLU(inplace=True))
    features = numbers(2, 16, *size).contiguous(memory_format=torch.channels_last)
    expected = there_and_back(layers, [features])

    use_winograd(layers)

    with monkeypatch.context() as changed:  # oneDNN's must not be asked
        changed.delattr(torch, "conv2d")
        kept, _ = kept_by(layers[0], [features])
        found = there_and_back(layers, [features])
        with torch.no_grad():
            assert distance(layers(features), expected[0]) < 1e-6
    assert not kept
    assert found[0].is_contiguous(memory_format=torch.channels_last)
    for ours, theirs in zip(found, expected, strict=True):
        assert distance(ours, theirs) < 1e-6


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 16, 3, padding=1).to(torch.bfloat16),
        nn.Conv2d(16, 16, 3, padding=1, stride=2),
        nn.Conv2d(16, 16, 3),
        nn.Conv2d(16, 16, 1),
        nn.Conv2d(16, 16, 3, padding=1, groups=2),
        nn.Conv2d(16, 16, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(16, 4, 3, padding=1),
        nn.Conv2d(16, 64, 3, padding=1),
    ],
    ids=["bfloat16", "stride", "no padding", "1×1", "groups", "circular", "few channels", "large"],
)
def test_other_convolutions_are_not_winograds(monkeypatch: pytest.MonkeyPatch, layer: nn.Conv2d) -> None:
    monkeypatch.setattr(winograd, "_FEWEST_CHANNELS", 8)
    monkeypatch.setattr(winograd, "_LARGEST", 9 * 16 * 16)
    fitting = nn.Conv2d(16, 16, 3, padding=1)
    assert WinogradConvolution.fits(fitting.to(memory_format=torch.channels_last))
    assert not WinogradConvolution.fits(fitting.to(memory_format=torch.contiguous_format))
    assert not WinogradConvolution.fits(layer.to(memory_format=torch.channels_last))


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-6), (torch.bfloat16, 1.5e-2)])
@pytest.mark.parametrize("output_size", [None, (10, 14), (9, 13)], ids=["double", "double, asked for", "odd"])
def test_a_frozen_upsampler_is_diffusers(
    monkeypatch: pytest.MonkeyPatch,
    nothing_is_small: None,
    order: torch.memory_format,
    dtype: torch.dtype,
    most: float,
    output_size: tuple[int, int] | None,
) -> None:
    layers = nn.Sequential(Upsample2D(16, use_conv=True, out_channels=24)).requires_grad_(False)
    features = numbers(2, 16, 5, 7).contiguous(memory_format=order)
    expected = there_and_back(lambda x: layers[0](x, output_size), [features])

    freeze_upsamplers(layers.to(dtype))

    with monkeypatch.context() as changed:
        if output_size != (9, 13):  # the features must not be doubled
            changed.delattr(torch, "conv2d")
            kept, _ = kept_by(layers[0], [features.to(dtype)])
            assert not kept
        found = there_and_back(lambda x: layers[0](x, output_size), [features.to(dtype)])
        with torch.no_grad():
            assert distance(layers[0](features.to(dtype), output_size), expected[0]) < most
    assert isinstance(layers[0], FrozenUpsampling)
    assert found[0].is_contiguous(memory_format=order)
    for ours, theirs in zip(found, expected, strict=True):
        assert distance(ours, theirs) < most


def test_other_upsamplers_stay() -> None:
    assert FrozenUpsampling.fits(Upsample2D(16, use_conv=True))
    for other in (
        Upsample2D(16),
        Upsample2D(16, use_conv_transpose=True),
        Upsample2D(16, use_conv=True, interpolate=False),
        Upsample2D(16, use_conv=True, norm_type="ln_norm", eps=1e-5, elementwise_affine=True),
        Upsample2D(16, use_conv=True, kernel_size=5, padding=2),
    ):
        assert not FrozenUpsampling.fits(other)


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-6), (torch.bfloat16, 8e-3)])
def test_a_frugal_gate_is_diffusers_and_keeps_one_tensor(
    nothing_is_small: None, dtype: torch.dtype, most: float
) -> None:
    plain = GEGLU(8, 24).requires_grad_(False)
    features = numbers(2, 5, 8)
    expected = there_and_back(plain, [features])
    layers = nn.Sequential(plain.to(dtype))

    recompute_geglus(layers)

    kept, found = kept_by(layers, [features.to(dtype)])
    assert [tensor.shape[-1] for tensor in kept if tensor.shape[0] == 2] == [48]
    for ours, theirs in zip(found, expected, strict=True):
        assert distance(ours, theirs) < most


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_a_large_feed_forward_keeps_what_comes_in_and_works_in_parts(
    monkeypatch: pytest.MonkeyPatch, nothing_is_small: None, dtype: torch.dtype, most: float
) -> None:
    monkeypatch.setattr(geglu, "_LARGE", 1)
    monkeypatch.setattr(geglu, "_POSITIONS_AT_ONCE", 4)
    block = FeedForward(8, activation_fn="geglu").requires_grad_(False)
    features = numbers(2, 5, 8)
    expected = there_and_back(block, [features])

    recompute_geglus(block.to(dtype))

    gate, _, out = block.net
    kept, found = kept_by(lambda features: gate.into(out, features), [features.to(dtype)])
    assert [tensor.shape for tensor in kept] == [features.shape]
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
        request.getfixturevalue("tiny_ones_gain")
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
    is_winograds = [isinstance(layer, WinogradConvolution) for layer in quick.unet.modules()]
    assert any(is_winograds) == (large and dtype == torch.float32)
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

    optimize_for_training(model.unet, Hardware(torch.device("cuda"), torch.bfloat16))

    assert {type(layer) for layer in model.unet.modules()} == before
    assert model.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)


def test_without_the_kernels_diffusers_layers_stay(
    tiny_checkpoint: CheckpointInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {type(layer) for layer in load_as_it_is(tiny_checkpoint, Hardware(CPU, torch.float32)).unet.modules()}
    assert {type(layer) for layer in load(tiny_checkpoint, Hardware(CPU, torch.float32)).unet.modules()} != plain

    monkeypatch.setenv(NO_CPU_KERNELS, "1")

    assert {type(layer) for layer in load(tiny_checkpoint, Hardware(CPU, torch.float32)).unet.modules()} == plain
