"""What is drawn anew in a caption."""

import torch

from ti_studio.training.config.dataset import DatasetOptions
from ti_studio.training.data.caption_variation import draw_caption, is_drawn, readings

CAPTION = "mychar, red hat, smiling, outdoors"


def drawn(caption: str, count: int = 200, **options: object) -> list[str]:
    generator = torch.Generator().manual_seed(0)
    wanted = DatasetOptions(**options)  # type: ignore[arg-type]
    return [draw_caption(caption, wanted, ["mychar"], generator) for _ in range(count)]


def test_a_plain_caption_is_not_drawn() -> None:
    assert not is_drawn("{a|b}, c", DatasetOptions())
    assert is_drawn("{a|b}, c", DatasetOptions(enable_wildcard=True))
    assert not is_drawn("a, c", DatasetOptions(enable_wildcard=True))


def test_tags_are_shuffled_behind_those_that_are_kept() -> None:
    orders = drawn(CAPTION, shuffle_caption=True, keep_tokens=1)

    assert len(set(orders)) == 6
    assert all(order.startswith("mychar, ") for order in orders)
    assert all(sorted(order.split(", ")) == sorted(CAPTION.split(", ")) for order in orders)


def test_tags_are_dropped_but_never_one_with_the_word() -> None:
    captions = drawn(CAPTION, caption_tag_dropout_rate=0.5)

    assert len(set(captions)) == 8
    assert all("mychar" in caption for caption in captions)
    assert 0.4 < sum("smiling" in caption for caption in captions) / len(captions) < 0.6


def test_a_caption_is_dropped_as_often_as_asked() -> None:
    captions = drawn(CAPTION, caption_dropout_rate=0.25)

    assert set(captions) == {CAPTION, ""}
    assert 0.15 < captions.count("") / len(captions) < 0.35


def test_wildcards_lines_and_doubled_brackets() -> None:
    captions = drawn("a {red|blue} ball\nthe {{ball}}", enable_wildcard=True)

    assert set(captions) == {"a red ball", "a blue ball", "the {ball}"}
    assert set(readings("a {red|blue} ball\nthe {{ball}}", DatasetOptions(enable_wildcard=True))) == set(captions)


def test_separators_keep_tags_in_their_places_and_together() -> None:
    """sd-scripts, `process_caption`: `keep_tokens_separator` once or twice, then `secondary_separator`."""
    options = {"shuffle_caption": True, "keep_tokens_separator": "|||", "secondary_separator": ";;"}

    orders = drawn("mychar ||| a;;b, c ||| best, photo", **options)
    assert set(orders) == {"mychar, a,b, c, best, photo", "mychar, c, a,b, best, photo"}
    assert set(drawn("mychar ||| a, b", **options)) == {"mychar, a, b", "mychar, b, a"}
    assert set(drawn("mychar, a;;b", count=3, secondary_separator=";;")) == {"mychar, a,b"}
    assert set(drawn("mychar ||| a", count=3, keep_tokens_separator="|||")) == {"mychar, a"}
    assert list(readings("mychar ||| a;;b", DatasetOptions(**options))) == ["mychar, a,b"]  # type: ignore[arg-type]
    assert is_drawn("a ||| b", DatasetOptions(keep_tokens_separator="|||"))
    assert not is_drawn("a", DatasetOptions(keep_tokens_separator="|||"))


def test_prefix_and_suffix_count_as_tags() -> None:
    options = {"caption_prefix": "best,", "caption_suffix": ", photo", "shuffle_caption": True, "keep_tokens": 1}

    assert set(drawn("a, b", **options)) == {f"best, {x}, {y}, {z}" for x, y, z in _orders("a", "b", "photo")}


def _orders(*parts: str) -> list[tuple[str, ...]]:
    a, b, c = parts
    return [(a, b, c), (a, c, b), (b, a, c), (b, c, a), (c, a, b), (c, b, a)]


def test_tags_come_in_one_after_the_other_and_the_word_is_there_from_the_start() -> None:
    """sd-scripts, `process_caption`: `token_warmup_min` and `token_warmup_step`."""
    wanted = DatasetOptions(token_warmup_step=100, token_warmup_min=1, keep_tokens=1)
    generator = torch.Generator().manual_seed(0)

    def at(warmup_fraction: float, caption: str = "best, red hat, smiling, outdoors") -> str:
        return draw_caption(caption, wanted, ["mychar"], generator, warmup_fraction)

    assert is_drawn(CAPTION, wanted)
    assert at(0.0) == "best, red hat"
    assert at(0.5) == "best, red hat, smiling"
    assert at(1.0) == "best, red hat, smiling, outdoors"
    assert at(0.0, "best, red hat, smiling, a mychar") == "best, red hat, a mychar"
    assert at(0.0, "best") == "best"
