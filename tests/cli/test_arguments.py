"""Options that follow from the request models."""

import argparse
import os
from pathlib import Path

import pytest

from ti_studio.cli import build_parser
from ti_studio.cli.arguments import WrongArguments, add_request_options, read_request
from ti_studio.cli.train import add_train, found_here
from ti_studio.server_options import NO_CPU_KERNELS, apply_kernels_option
from ti_studio.training.config.concept import Concept
from ti_studio.training.config.request import TrainRequest


def read(*words: str) -> TrainRequest:
    parser = argparse.ArgumentParser()
    add_request_options(parser, TrainRequest)
    return read_request(TrainRequest, parser.parse_args(["--name", "x", "--dataset-directory", "y", *words]))


def test_every_learning_option_has_an_option_of_its_kind() -> None:
    asked = read(
        *("--optimizer", "lion", "--optimizer-args", "betas=(0.9, 0.99)", "weight_decay=0.1"),
        *("--parametrization", "direction", "--prior-weight", "1e-4", "--validation-every", "10", "--keep-best"),
    )

    assert asked.optimizer_args == ("betas=(0.9, 0.99)", "weight_decay=0.1")
    assert (asked.optimizer, asked.parametrization, asked.prior_weight) == ("lion", "direction", 1e-4)
    assert (asked.validation_every, asked.keep_best) == (10, True)


def test_nothing_given_is_the_requests_own_defaults() -> None:
    assert read() == TrainRequest(name="x", dataset_directory="y")
    assert read("--norm-limit", "1.5").norm_limit == 1.5


def test_options_that_do_not_go_together_are_answered_in_a_sentence() -> None:
    with pytest.raises(WrongArguments, match=r"^keep_best and patience need validation_every"):
        read("--patience", "3")


def test_more_words_are_an_argument_each() -> None:
    parser = argparse.ArgumentParser()
    add_train(parser.add_subparsers())
    given = ["train", "--name", "x", "--more-words", "y : red cat : 3", "z"]

    asked = read_request(TrainRequest, parser.parse_args(given))

    assert asked.more_words == (
        Concept(name="y", initialization_text="red cat", vectors_per_token=3),
        Concept(name="z"),
    )
    with pytest.raises(WrongArguments, match=r"--more-words-0-vectors-per-token: .* \(found 'many'\)"):
        read_request(TrainRequest, parser.parse_args([*given, "--more-words", "y : cat : many"]))


def test_files_are_looked_for_where_the_command_runs_and_else_are_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.safetensors").touch()

    found = found_here(
        read("--vae", "here.safetensors", "--initialization-file", "word.pt"), "vae", "initialization_file"
    )

    assert (found.vae, found.initialization_file) == (str(tmp_path / "here.safetensors"), "word.pt")


@pytest.mark.parametrize("command", ["serve", "train --name x --dataset-directory y", "generate --prompt x"])
def test_the_cpu_kernels_are_switched_off_for_this_process_and_its_children(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NO_CPU_KERNELS, "")
    apply_kernels_option(build_parser().parse_args(command.split()))
    assert os.environ[NO_CPU_KERNELS] == ""
    apply_kernels_option(build_parser().parse_args([*command.split(), "--no-cpu-kernels"]))
    assert os.environ[NO_CPU_KERNELS] == "1"
