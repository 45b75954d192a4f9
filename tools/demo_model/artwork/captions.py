"""Words for a view: "a photo of <row1> <row2> on the left on a pale blue background".

What is the thing's own is said by its name or by its rows, never by both; the rest of the caption says how it is seen.
"""

import numpy as np

from tools.demo_model.artwork.things import Shown, Thing
from tools.demo_model.captions import (
    EMPTY_SHARE,
    KEPT,
    PLACE_WORDS,
    SCENE_WORDS,
    STYLE_WORDS,
    attributes,
    background_words,
    caption,
)
from tools.demo_model.drawing import Scene
from tools.demo_model.vocabulary import ROWS

OPENINGS = ("a photo of", "a picture of", "")
OPENING_SHARES = (0.6, 0.15, 0.25)
ARTICLES = ("a", "the", "")
ROW_COUNTS, ROW_SHARES = (1, 2, 3, 4), (0.25, 0.35, 0.15, 0.25)
DRAWN_ROWS_SHARE = 0.35
"""Captions of drawn figures that have rows in place of the figure's words."""
NAME_SHARE = 0.3
"""Captions of a thing with a name that use it instead of rows."""
COLOUR_KEPT, SIZE_KEPT, PLACE_KEPT, BACKGROUND_KEPT = 0.5, 0.85, 0.85, 0.85
MIXED_KEPT = 0.5
"""How often two colours behind the thing are named."""
BACKGROUND_FIRST = 0.2
MANNER_ALONE = 0.15


def artwork_caption(thing: Thing, shown: Shown, rng: np.random.Generator) -> str:
    """A caption with attributes left out at random; sometimes nothing at all."""
    if rng.random() < EMPTY_SHARE:
        return ""
    named = thing.name and (thing.colour or not thing.twin) and rng.random() < NAME_SHARE
    subject = _name(thing, rng) if named else rows_phrase(rng)
    if shown.size and rng.random() < SIZE_KEPT:
        subject = f"{shown.size} {subject}"
    article = ARTICLES[int(rng.choice(3, p=(0.65, 0.2, 0.15)))]
    opening = OPENINGS[int(rng.choice(3, p=OPENING_SHARES))]
    ends = [PLACE_WORDS[shown.place] if shown.place and rng.random() < PLACE_KEPT else "", behind(shown, rng)]
    if rng.random() < BACKGROUND_FIRST:
        ends.reverse()
    return " ".join(part for part in (opening, article, subject, *ends) if part)


def manner_caption(shown: Shown, rng: np.random.Generator) -> str:
    """ "a picture of a house on the left , art by <row1> <row2>"; sometimes the manner alone."""
    by = f", art by {rows_phrase(rng)}"
    if shown.subject is None or rng.random() < MANNER_ALONE:
        return f"a picture {by}"
    subject = f"{shown.size} {shown.subject}" if shown.size and rng.random() < SIZE_KEPT else shown.subject
    opening = ("a picture of", "a photo of", "")[int(rng.choice(3, p=(0.4, 0.4, 0.2)))]
    place = PLACE_WORDS[shown.place] if shown.place and rng.random() < PLACE_KEPT else ""
    return " ".join(part for part in (opening, "a", subject, place, behind(shown, rng), by) if part)


def drawn_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A drawn scene's own caption, or one that has rows in place of the figure and says how it is seen."""
    if rng.random() >= DRAWN_ROWS_SHARE:
        return caption(scene, rng).text
    said = {name: value for name, value in attributes(scene).items() if rng.random() < KEPT.get(name, 0)}
    subject = f"{said['size']} {rows_phrase(rng)}" if "size" in said else rows_phrase(rng)
    ends = [PLACE_WORDS[said["place"]] if "place" in said else ""]
    ends.append(background_words(said["background"]) if "background" in said else "")
    return " ".join(part for part in (STYLE_WORDS[scene.style], "a", subject, *ends) if part)


def rows_phrase(rng: np.random.Generator) -> str:
    """ "<row1> <row2>": between one and four of the thing's rows."""
    return " ".join(ROWS[: int(rng.choice(ROW_COUNTS, p=ROW_SHARES))])


def _name(thing: Thing, rng: np.random.Generator) -> str:
    """The name, with its colour where it is not the artist's own, else sometimes."""
    said = thing.colour and (thing.twin or rng.random() < COLOUR_KEPT)
    return f"{thing.colour} {thing.name}" if said else str(thing.name)


def behind(shown: Shown, rng: np.random.Generator) -> str:
    """ "on a pale blue background", "at night", or nothing."""
    if shown.background is None:
        return ""
    if shown.background in SCENE_WORDS:
        return SCENE_WORDS[shown.background] if rng.random() < BACKGROUND_KEPT else ""
    kept = MIXED_KEPT if " and " in shown.background else BACKGROUND_KEPT
    return f"on a {shown.background} background" if rng.random() < kept else ""
