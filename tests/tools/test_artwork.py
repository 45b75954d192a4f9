"""What the demo model learns of artwork: sprites, views, captions, rows, and a tiny run of its trainers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from tests.tools.test_demo_model import tokenizer_folder  # noqa: F401  # a fixture
from tools.demo_model.artwork import autoencoder, begun, packing, text_lessons, things, train_unet
from tools.demo_model.artwork.captions import artwork_caption, drawn_caption, manner_caption
from tools.demo_model.artwork.icons import SETS, SPRITE, Icon, icons_of, load_icons, rendered
from tools.demo_model.artwork.manners import in_manner
from tools.demo_model.artwork.row_encoder import ROW_NORM, RowEncoder, RowPlaces, disturbed
from tools.demo_model.artwork.text_lessons import TextSide
from tools.demo_model.artwork.things import THUMB, Lessons, Shown, Thing, dominant_colour, load_lessons
from tools.demo_model.artwork.views import SIDE, View, named, recoloured, show
from tools.demo_model.parallel import Team
from tools.demo_model.train_unet import UnetShape, new_unet
from tools.demo_model.train_vae import VaeShape, as_tensor, encoded_mean, new_vae, whiten
from tools.demo_model.training import Recipe
from tools.demo_model.vocabulary import ROWS, Vocabulary, load_vocabulary

SVG = '<path fill="#e02020" d="M2 2h12v12H2z"/>'


def sprite(colour: tuple[int, int, int] = (220, 30, 30)) -> np.ndarray:
    pixels = np.zeros((SPRITE, SPRITE, 4), np.uint8)
    pixels[20:124, 20:124] = (*colour, 255)
    pixels[40:60, 40:60] = (250, 250, 250, 255)
    return pixels


def package(folder: Path, name: str, licence: str) -> Path:
    made = folder / name
    made.mkdir()
    (made / "info.json").write_text(json.dumps({"license": {"spdx": licence}}))
    icons = {"red-square": {"body": SVG}, "man-dark-skin-tone": {"body": SVG}, "letter-a": {"body": SVG}}
    (made / "icons.json").write_text(json.dumps({"icons": icons, "width": 16, "height": 16}))
    return made


def test_icons_come_with_the_words_of_their_names_and_without_letters_and_skin_colours(tmp_path: Path) -> None:
    found = icons_of(package(tmp_path, "noto", "Apache-2.0"))
    assert [icon for icon, _ in found] == [Icon("noto", "red-square", "red square")]
    assert SVG in found[0][1]


def test_a_set_whose_licence_has_changed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"noto: the licence is GPL-3\.0; expected Apache-2\.0"):
        icons_of(package(tmp_path, "noto", "GPL-3.0"))


def test_the_sets_that_the_line_up_is_made_of_are_never_read() -> None:
    assert not {name for name in SETS if name.startswith(("twemoji", "openmoji", "emojione", "flat-color-icons"))}


def test_an_svg_becomes_a_sprite_that_fills_its_square() -> None:
    pytest.importorskip("resvg_py")
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">{SVG}</svg>'
    drawn = rendered(svg)
    assert drawn is not None
    assert drawn.shape == (SPRITE, SPRITE, 4)
    assert tuple(drawn[SPRITE // 2, SPRITE // 2]) == (224, 32, 32, 255)
    assert rendered('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"></svg>') is None


def red_box(pixels: np.ndarray) -> tuple[float, float, float]:
    """The middle and the width of what is red."""
    rows, columns = np.nonzero((pixels[..., 0] > 190) & (pixels[..., 1] < 70) & (pixels[..., 2] < 70))
    return columns.mean(), rows.mean(), np.ptp(columns)


@pytest.mark.parametrize("seed", range(4))
def test_a_view_has_its_size_and_its_place(seed: int) -> None:
    x, y, width = red_box(show(sprite(), View(0, seed, "small", "left")).pixels)
    assert x < SIDE * 0.4
    assert abs(y - SIDE / 2) < SIDE * 0.1
    assert red_box(show(sprite(), View(0, seed, "large")).pixels)[2] > 1.4 * width


def test_the_same_view_is_the_same_picture_and_another_is_not() -> None:
    one, again, other = (show(sprite(), View(0, seed)).pixels for seed in (5, 5, 6))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_colour_bears_its_name() -> None:
    rng = np.random.default_rng(0)
    assert {named((20, 20, 22), rng).split()[-1] for _ in range(8)} <= {"black", "charcoal"}
    assert dominant_colour(sprite()) == "red"
    assert dominant_colour(sprite((35, 75, 215))) == "blue"


def test_a_recoloured_sprite_keeps_its_outline() -> None:
    for seed in range(6):
        turned = recoloured(sprite(), seed)
        assert np.array_equal(np.sort(turned[..., 3].ravel()), np.sort(sprite()[..., 3].ravel()))
    assert any(not np.array_equal(recoloured(sprite(), seed)[..., :3], sprite()[..., :3]) for seed in range(6))


def test_a_caption_says_the_thing_by_name_or_by_rows_and_never_by_both() -> None:
    rng = np.random.default_rng(1)
    thing, shown = Thing(0, False, "red square", "red"), Shown(0, "small", "left", "blue")
    captions = [artwork_caption(thing, shown, rng) for _ in range(300)]
    for text in filter(None, captions):
        assert ("red square" in text) != (ROWS[0] in text), text
    said = [text for text in captions if text]
    assert 0.1 < np.mean(["red square" in text for text in said]) < 0.5
    assert np.mean(["on a blue background" in text for text in said]) > 0.7
    assert any(text == "" for text in captions)


def test_a_twin_in_other_colours_is_named_with_its_colour_or_not_at_all() -> None:
    rng = np.random.default_rng(2)
    for colour, name in ((None, ""), ("green", "green red square")):
        thing = Thing(0, True, "red square", colour)
        texts = [artwork_caption(thing, Shown(0), rng) for _ in range(100)]
        assert all(name in text for text in texts if "square" in text)
        assert any("square" in text for text in texts) == bool(name)


def test_a_caption_of_a_manner_names_what_is_shown_and_leaves_the_manner_to_rows() -> None:
    rng = np.random.default_rng(3)
    texts = [manner_caption(Shown(0, "small", subject="cup"), rng) for _ in range(100)]
    assert all(f"{text_lessons.BY} {ROWS[0]}" in text for text in texts)
    assert 0.6 < np.mean(["small cup" in text for text in texts]) < 1


def test_a_manner_shows_different_things_alike(tmp_path: Path) -> None:
    one, other = (show(sprite(colour), View(0, 5)).pixels for colour in ((220, 30, 30), (35, 75, 215)))
    changed = set()
    for seed in range(60):
        a, again, b = in_manner(one, seed, 1), in_manner(one, seed, 1), in_manner(other, seed, 2)
        assert a.shape == one.shape and a.dtype == np.uint8
        assert np.array_equal(a, again)
        changed.add(not np.array_equal(a, one) and not np.array_equal(b, other))
    assert changed == {True}
    palette = next(seed for seed in range(200) if len(colours_of(in_manner(one, seed))) == 2)
    assert colours_of(in_manner(one, palette)) == colours_of(in_manner(other, palette))


def colours_of(pixels: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, pixels.reshape(-1, 3).tolist()))


def test_packed_sprites_come_back_nearly_as_they_were(work: Path, tmp_path: Path) -> None:
    packing.pack(work, tmp_path / "sprites.zip")
    packing.unpack(tmp_path / "sprites.zip", tmp_path / "there")
    before, after = load_icons(work), load_icons(tmp_path / "there")
    assert after[0] == before[0]
    assert after[1].shape == before[1].shape
    assert np.abs(after[1].astype(int) - before[1]).mean() < 3


def test_rows_have_one_norm_before_they_are_disturbed_and_several_after() -> None:
    torch.manual_seed(0)
    rows = RowEncoder(32)(torch.randn(5, 3, THUMB, THUMB), torch.tensor([False] * 3 + [True] * 2))
    assert rows.shape == (5, 4, 32)
    assert torch.allclose(rows.norm(dim=-1), torch.full((5, 4), ROW_NORM))
    assert disturbed(rows, torch.Generator().manual_seed(0)).norm(dim=-1).std() > 0.03


def test_folding_leaves_the_autoencoder_as_it_was_but_at_the_border() -> None:
    torch.manual_seed(3)
    vae = new_vae(VaeShape(widths=(8, 8, 16), side=32))
    pictures = np.random.default_rng(0).integers(0, 256, size=(6, 32, 32, 3), dtype=np.uint8)
    whiten(vae, as_tensor(pictures))
    with torch.no_grad():
        latents = encoded_mean(vae, as_tensor(pictures))
        before = vae.decoder.conv_in(vae.post_quant_conv(latents))
        autoencoder.fold(vae)
        assert torch.allclose(encoded_mean(vae, as_tensor(pictures)), latents, atol=1e-3)
        after = vae.decoder.conv_in(vae.post_quant_conv(latents))
    assert torch.allclose(vae.quant_conv.weight[:, :, 0, 0], torch.eye(8))
    assert torch.allclose(after[..., 1:-1, 1:-1], before[..., 1:-1, 1:-1], atol=1e-3)


def test_latents_turn_towards_an_earlier_autoencoders() -> None:
    torch.manual_seed(4)
    vae = new_vae(VaeShape(widths=(8, 8, 16), side=32))
    pictures = np.random.default_rng(0).integers(0, 256, size=(6, 32, 32, 3), dtype=np.uint8)
    whiten(vae, as_tensor(pictures))
    earlier = new_vae(VaeShape(widths=(8, 8, 16), side=32))
    earlier.load_state_dict(vae.state_dict())
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0]
    with torch.no_grad():
        vae.quant_conv.weight[:4, :, 0, 0] = (turn @ vae.quant_conv.weight[:4, :, 0, 0].double()).float()
        vae.quant_conv.bias[:4] = (turn @ vae.quant_conv.bias[:4].double()).float()
    assert autoencoder.turn_towards(vae, earlier, pictures) == pytest.approx(1, abs=0.02)
    with torch.no_grad():
        found, wanted = (encoded_mean(each, as_tensor(pictures)) for each in (vae, earlier))
    assert torch.allclose(found, wanted, atol=0.05 * float(wanted.std()))


@pytest.fixture
def work(tmp_path: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """A work folder with three sprites, an untrained autoencoder and few drawn things."""
    monkeypatch.setattr(things, "DRAWN_THINGS", 4)
    monkeypatch.setattr(things, "MANNERS", 2)
    monkeypatch.setattr(things, "CHUNK", 4)
    (tmp_path / "tokenizer").symlink_to(tokenizer_folder)
    np.save(tmp_path / "sprites.npy", np.stack([sprite(), sprite((35, 75, 215)), sprite((40, 165, 60))]))
    icons = [
        {"set": name, "name": name, "words": words}
        for name, words in (("noto", "red square"), ("logos", None), ("fxemoji", "cup"))
    ]
    (tmp_path / "icons.json").write_text(json.dumps(icons))
    torch.manual_seed(0)
    new_vae(VaeShape(widths=(8, 8, 8, 8), side=SIDE)).save_pretrained(tmp_path / "vae")
    return tmp_path


def drawn_and_encoded(work: Path) -> Lessons:
    things.draw_all(work, Team())
    things.encode_all(work, Team())
    return load_lessons(work)


def test_things_have_views_that_are_drawn_and_encoded_once(work: Path) -> None:
    lessons = drawn_and_encoded(work)
    parts = [*(work / "views").iterdir(), *(work / "latents").iterdir()]
    before = {path: path.stat().st_mtime_ns for path in parts}
    drawn_and_encoded(work)
    assert {path: path.stat().st_mtime_ns for path in parts} == before
    assert len(lessons.things) == 3 + 2 + 4 + 2  # two sets are rich: their icons have twins
    assert lessons.latents is not None
    assert lessons.latents.shape == (len(lessons.shown), 4, 16, 16)
    assert lessons.thumbs.shape == (len(lessons.shown), THUMB, THUMB, 3)
    for number, views in enumerate(lessons.views):
        assert len(views) >= 2
        assert {lessons.shown[k].thing for k in views} == {number}
    drawn = [thing for thing in lessons.things if thing.scenes]
    assert len(drawn) == 4
    assert all(scene.figure == thing.scenes[0].figure for thing in drawn for scene in thing.scenes)
    assert drawn_caption(drawn[0].scenes[0], np.random.default_rng(0))
    is_artwork = lessons.alone.any(axis=(1, 2, 3))
    assert [thing.icon is not None for thing in lessons.things] == is_artwork.tolist()
    manners = [views for thing, views in zip(lessons.things, lessons.views, strict=True) if thing.manner is not None]
    assert [len(views) for views in manners] == [things.MANNER_VIEWS] * 2
    assert {lessons.shown[k].subject for views in manners for k in views} <= {"red square", "cup"}


def test_logos_that_are_a_name_in_letters_are_left_out(work: Path) -> None:
    sprites = np.load(work / "sprites.npy")
    sprites[1, :60] = sprites[1, 84:] = 0
    assert things.is_wordmark(sprites[1])
    icons, _ = load_icons(work)
    assert sorted({k for k, _ in things.plan(icons, sprites)}) == [0, 2]


def test_the_grid_begins_in_the_corners_because_long_captions_take_its_first_places() -> None:
    cells = text_lessons.cells()
    assert sorted(cells.tolist()) == list(range(64))
    assert set(cells[:4].tolist()) == {0, 7, 56, 63}
    assert set(cells[-4:].tolist()) == {27, 28, 35, 36}


def test_the_heads_read_each_cell_where_it_lies(tokenizer_folder: Path) -> None:  # noqa: F811
    side = TextSide(load_vocabulary(tokenizer_folder), 16, 1)
    hidden = torch.zeros(1, 77, 16)
    place = text_lessons.FIRST_PLACE + text_lessons.cells().tolist().index(8 * 2 + 5)  # third row, sixth column
    with torch.no_grad():
        empty, filled = side.read(hidden), side.read(hidden.index_fill(1, torch.tensor([place]), 1.0))
    for before, after, size in zip(empty, filled, (2, 4), strict=True):
        rows, columns = (before != after).any(dim=1)[0].nonzero(as_tuple=True)
        assert {r // size for r in rows.tolist()} == {2}
        assert {c // size for c in columns.tolist()} == {5}


def test_a_tiny_run_teaches_the_text_model_and_then_the_unet(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lessons, "WIDTH", 16)
    monkeypatch.setattr(train_unet, "WIDTH", 16)
    lessons, cpu = drawn_and_encoded(work), torch.device("cpu")
    recipe = Recipe(samples=24, batch=8, learning_rate=1e-3, seed=3)
    text_lessons.teach(work, lessons, recipe, cpu, Team())
    assert moved(work / "text_side.state.pt") > 0.9  # the rows' encoder among them
    material = train_unet.Material.of(lessons, things.vocabulary_of(work), cpu)
    shape = UnetShape(widths=(16, 16, 16), text_width=16, groups=8)
    new_unet(shape).save_pretrained(work / "earlier")
    model = train_unet.new_models(work, material, shape, work / "earlier")
    train_unet.train_unet(work, material, model, recipe, Team())
    assert moved(work / "unet.state.pt") > 0.9
    assert UNet2DConditionModel.from_pretrained(work / "unet").config.cross_attention_dim == 16
    assert_goes_on_elsewhere(work, material, shape)


def assert_goes_on_elsewhere(work: Path, material: train_unet.Material, shape: UnetShape) -> None:
    """What is kept of a training is, but for half precision, what another work folder begins with."""
    begun.save(work, work / "begun")
    begun.restore(work / "begun", work / "elsewhere", shape)
    model = train_unet.new_models(work / "elsewhere", material, shape, work / "elsewhere" / "unet_begin")
    average = torch.load(work / "unet.state.pt", weights_only=True)["average"]
    assert average.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.allclose(value, average[name], rtol=1e-3, atol=1e-4), name
    assert (work / "elsewhere" / "vae" / "diffusion_pytorch_model.safetensors").exists()


def moved(state_file: Path) -> float:
    """The share of the parameters that have had a gradient."""
    state = torch.load(state_file, weights_only=True)
    assert state["state"]["step"] == 3
    moments = state["optimizer"]["state"].values()
    return sum(bool(moment["exp_avg"].any()) for moment in moments) / len(moments)


def test_the_places_of_rows_take_the_rows_of_their_own_picture(tokenizer_folder: Path) -> None:  # noqa: F811
    vocabulary: Vocabulary = load_vocabulary(tokenizer_folder)
    table = torch.nn.Embedding(vocabulary.first_row + len(ROWS), 8)
    places = RowPlaces(vocabulary.first_row)
    table.register_forward_hook(places)
    numbers = vocabulary.encode([f"a photo of {ROWS[0]} {ROWS[1]}", "a red circle"])
    plain = table(numbers)
    places.rows = torch.arange(2.0)[:, None, None] + torch.full((2, len(ROWS), 8), 5.0)
    put = table(numbers)
    changed = (put != plain).any(dim=-1)
    assert torch.equal(put[changed], torch.full((2, 8), 5.0))
    assert not changed[1].any()
