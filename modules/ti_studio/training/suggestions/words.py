"""The words of a checkpoint's vocabulary that a suggestion may be made of."""

import unicodedata
from collections import Counter

import torch

from ti_studio.prompts.conditioning import TextEncoder

MOST_WORDS = 2000
"""Words that are ranked at most. A tokenizer's ids go by how often a word is written, so the commonest come first."""

_LEAST_LETTERS = 3

_PICTOGRAPHS = ((0x2600, 0x27C0), (0x1F300, 0x1F650), (0x1F680, 0x1F700), (0x1F900, 0x1FB00))
"""Ranges of Unicode whose characters are small pictures, named after what they show."""

_STOP_WORDS = frozenset(
    """
    about above after again against ain all already also although always among and another any anyone anything
    are aren around because been before being below best better between both but came can cannot could couldn
    did didn does doesn doing don done down during each either else even ever every everyone everything few for
    from further gave get gets getting give going goes gone gonna got gotta had hadn has hasn have haven having
    hello her here hers herself him himself his how however into isn its itself just keep knew know known knows
    last least less let lets lot made make makes making many may maybe might mine more most much must myself
    need needs neither never new nor not nothing now off often once one only onto other others our ours
    ourselves out over own per perhaps please put quite rather really said same say says see seem seems seen
    shall shan she should shouldn since some someone something sometimes still such sure take taken takes tell
    than thank thanks that the their theirs them themselves then there these they thing things think this those
    though through thru thus today together told tomorrow tonight too took toward towards until upon use used
    uses using very via wanna want wants was wasn way well went were weren what whatever when where whether
    which while who whoever whole whom whose why will with within without won would wouldn yeah yes yesterday
    yet you your yours yourself yourselves
    """.split()
)
"""Words that name nothing that a picture could show."""


def vocabulary_words(encoder: TextEncoder, most: int = MOST_WORDS) -> list[str]:
    """Returns words that a text encoder has a row of its own for: first those that Unicode's pictographs have for names
    (teapot, cactus, violin), then the commonest others.

    They are single whole tokens of at least three letters and no stop words. The row that most tokens share, if there
    is one, is that of words which the checkpoint has never learned; words that have it are left out.

    Args:
        encoder: the text encoder, with its tokenizer.
        most: how many words are returned at most.
    """
    tokenizer, table = encoder.tokenizer, encoder.token_embedding.weight
    rows = [row.tobytes() for row in table.detach().cpu().contiguous().view(torch.uint8).numpy()]
    commonest, times = Counter(rows).most_common(1)[0]
    words = [
        spelled
        for token, spelled in tokenizer.whole_words(len(rows))
        if (times == 1 or rows[token] != commonest) and _names_something(spelled) and tokenizer.ids(spelled) == (token,)
    ]
    things = _pictured_things()
    return sorted(words, key=lambda word: word not in things)[:most]


def _pictured_things() -> frozenset[str]:
    """Returns the words in the names of Unicode's pictographs: nouns of what people draw, and some adjectives."""
    names = (unicodedata.name(chr(code), "") for first, end in _PICTOGRAPHS for code in range(first, end))
    return frozenset(word.lower() for name in names for word in name.replace("-", " ").split())


def _names_something(word: str) -> bool:
    return len(word) >= _LEAST_LETTERS and word.isalpha() and word not in _STOP_WORDS
