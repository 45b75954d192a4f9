"""The files of the trained words: snapshots in the job's folder, and the finished embeddings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from ti_studio.embeddings.embedding import Embedding
from ti_studio.embeddings.formats.files import write_embedding
from ti_studio.embeddings.metadata import Provenance, header_metadata
from ti_studio.embeddings.sharing import undescribed
from ti_studio.training.config.request import TrainRequest
from ti_studio.training.events import Saved
from ti_studio.training.output.metadata import OF_ONE_WORD
from ti_studio.training.output.publishing import check_free, publish
from ti_studio.training.word_rows import rows_by_word


@dataclass(frozen=True)
class WordFiles:
    """Turns the trained vectors into embeddings with metadata, and writes them."""

    request: TrainRequest
    provenance: Provenance
    """The facts that all words of the training share."""
    job: Path
    """The job's folder."""
    embeddings: Path
    """The folder of the finished files."""

    def words(self, rows: Mapping[str, Tensor], step: int) -> list[Embedding]:
        """Returns an embedding for each word of the request, the first one first.

        Args:
            rows: the vectors of all words, text encoder → [sum of all vectors, width], on the CPU.
            step: the step that they are of.
        """
        by_word = rows_by_word(rows, self.request.vectors)
        shared = self.provenance.said
        others = {name: text for name, text in shared.items() if name not in OF_ONE_WORD}
        words = []
        for word in self.request.words:
            provenance = replace(
                self.provenance,
                step=step,
                trigger=word.name,
                vectors_per_token=word.vectors_per_token,
                initialization_text=word.initialization_text,
                said=shared if word.name == self.request.name else others,
            )
            vectors = {encoder: values.clone() for encoder, values in by_word[word.name].items()}
            words.append(Embedding(word.name, vectors, step=step, metadata=header_metadata(provenance)))
        return words

    def save_snapshot(self, embedding: Embedding, name: str, *, writes: bool) -> Saved:
        """Writes a word into the job's `snapshots/`, and returns the event; only the main process `writes`."""
        path = self.job / "snapshots" / name
        if writes:
            path.parent.mkdir(exist_ok=True)
            written = embedding if self.request.metadata else undescribed(embedding)
            write_embedding(replace(written, name=path.stem), path)
        return Saved(embedding.step or 0, path.relative_to(self.job).as_posix())

    def publish(self, words: list[Embedding]) -> list[str]:
        """Writes the finished words into the embeddings folder, and returns their paths.

        Raises:
            NameTaken: the name of one is taken; none is written then.
        """
        for word in words:
            check_free(word.name, self.embeddings, overwrite=self.request.overwrite, job=self.job)
        return [str(publish(word, self.request, self.embeddings, self.job)) for word in words]
