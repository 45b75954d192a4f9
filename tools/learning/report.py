"""Results as Markdown tables, which read well on a terminal too."""

from collections.abc import Iterable, Sequence

from tools.learning.likeness import Distance
from tools.learning.measuring import DEMANDS, Result, Score

HEADINGS = ("", "loss", "picture", "colour", "shape", "picture, demanding", *(d.label for d in DEMANDS), "obeyed")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table; all columns but the first are numbers."""
    lines = [headings, ["---", *["--:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def concept_report(result: Result) -> str:
    """Returns a concept's section: its table, how its word was trained, and every wording that was tried."""
    rows = [
        _score_row(f"(a) {_quoted(result.initial.thing)}", result.initial),
        *_wordings(result),
        *(_score_row(f"(c) learnt, seed {t.seed}", s) for t, s in zip(result.trainings, result.learnt, strict=True)),
        ["autoencoder's floor", "", *_distance(result.floor), *[""] * (len(HEADINGS) - 5)],
    ]
    return "\n\n".join(
        (f"### {result.concept.word}", table(HEADINGS, rows), _training_note(result), "Wordings tried:", _tried(result))
    )


def summary(results: Sequence[Result]) -> str:
    """Returns one line for each concept: (a), (b) and (c) side by side; (b) is the best one by each measure."""
    headings = ("concept", *(f"{what} {which}" for what in ("loss", "picture", "obeyed") for which in "abc"))
    rows = [_summary_row(result) for result in results]
    return "\n\n".join((table(headings, rows), verdict(results)))


def verdict(results: Sequence[Result]) -> str:
    """Says on how many concepts the learnt word is ahead; with several training seeds their mean counts."""
    by_loss_a = sum(_mean_loss(result) < result.initial.loss for result in results)
    by_loss_b = sum(_mean_loss(result) < result.by_loss.loss for result in results)
    by_picture_a = sum(_mean_picture(result) < result.initial.plain.picture for result in results)
    by_picture_b = sum(_mean_picture(result) < result.by_picture.plain.picture for result in results)
    return (
        f"Of {len(results)} concepts, (c) is ahead of (a) on {by_loss_a} by loss and {by_picture_a} by picture, "
        f"and ahead of (b) on {by_loss_b} by loss and {by_picture_b} by picture."
    )


def _summary_row(result: Result) -> list[str]:
    obeyed = sum(score.obedience for score in result.learnt) / len(result.learnt)
    losses = (result.initial.loss, result.by_loss.loss, _mean_loss(result))
    pictures = (result.initial.plain.picture, result.by_picture.plain.picture, _mean_picture(result))
    shares = (result.initial.obedience, result.by_picture.obedience, obeyed)
    return [
        result.concept.word,
        *(f"{loss:.4f}" for loss in losses),
        *(f"{picture:.2f}" for picture in pictures),
        *(percent(share) for share in shares),
    ]


def _mean_loss(result: Result) -> float:
    return sum(score.loss for score in result.learnt) / len(result.learnt)


def _mean_picture(result: Result) -> float:
    return sum(score.plain.picture for score in result.learnt) / len(result.learnt)


def _wordings(result: Result) -> list[list[str]]:
    """Returns the rows of the best wordings; one that is best by loss alone was not tried with demands."""
    by_loss, by_picture = result.by_loss, result.by_picture
    if by_loss.thing == by_picture.thing:
        return [_score_row(f"(b) {_quoted(by_picture.thing)}", by_picture)]
    known = [f"(b) by loss: {_quoted(by_loss.thing)}", f"{by_loss.loss:.4f}", *_distance(by_loss.plain)]
    return [
        known + [""] * (len(HEADINGS) - len(known)),
        _score_row(f"(b) by picture: {_quoted(by_picture.thing)}", by_picture),
    ]


def _score_row(label: str, score: Score) -> list[str]:
    shares = (*(score.obeyed[demand.label] for demand in DEMANDS), score.obedience)
    return [
        label,
        f"{score.loss:.4f}",
        *_distance(score.plain),
        f"{score.demanding.picture:.2f}",
        *(percent(share) for share in shares),
    ]


def _distance(distance: Distance) -> list[str]:
    return [f"{value:.2f}" for value in (distance.picture, distance.colour, distance.shape)]


def _training_note(result: Result) -> str:
    notes = [
        f"seed {training.seed} in {training.seconds:.0f} s, rows of norm "
        + " and ".join(f"{norm:.2f}" for norm in training.norms)
        for training in result.trainings
    ]
    return f"Trained from {_quoted(result.concept.initialization_text)}: {'; '.join(notes)}."


def _tried(result: Result) -> str:
    rows = [[_quoted(tried.thing), f"{tried.loss:.4f}", *_distance(tried.plain)] for tried in result.wordings]
    return table(("wording", "loss", "picture", "colour", "shape"), rows)


def _quoted(text: str) -> str:
    return f"“{text}”"


def percent(share: float) -> str:
    """Returns "94 %"."""
    return f"{share:.0%}".replace("%", " %")
