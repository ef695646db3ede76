"""The state of an address: what is accepted, what is said about the rest, and the commands that draw the same."""

import re
import shlex
from urllib.parse import parse_qsl

import pytest
from click.testing import CliRunner

from hspcgan.evaluate.playground.page_state import State, StateError, read_state, replacement
from hspcgan.pipeline.cli.root import main

NAMES = ["toy-hspcgan", "runs/mine"]


def test_an_address_holds_the_whole_state():
    state = State("a red bird & a “blue” one", "ein Vogel #1", seed=7, count=3, checkpoint="runs/mine")
    assert read_state(dict(parse_qsl(state.query(), keep_blank_values=True)), NAMES) == state


def test_an_empty_address_shows_two_captions_that_differ_by_a_word():
    state = read_state({}, NAMES)
    assert state == State()
    assert replacement(state.a, state.b) == ("white", "red")


def test_a_caption_is_kept_as_ingest_keeps_it_and_the_second_may_be_missing():
    state = read_state({"a": "  a <b>red</b>\tbird&amp;nest "}, NAMES)
    assert (state.a, state.b) == ("a red bird&nest", "")


@pytest.mark.parametrize(("query", "said"), [
    ({"a": ""}, "Caption A is empty"),
    ({"a": "?!"}, "no letter or digit"),
    ({"a": "a bird", "b": "\u200b<p>"}, "Caption B cannot be used"),
    ({"a": "x" * 301}, "301 characters, at most 300 are allowed"),
    ({"seed": "-1"}, "first seed is '-1'"),
    ({"seed": "²"}, "first seed is '²'"),
    ({"seed": "2147483648"}, "0 to 2,147,483,647"),
    ({"count": "0"}, "number of images is '0'"),
    ({"count": "9"}, "1 to 8"),
    ({"count": "1e1"}, "'1e1'"),
    ({"checkpoint": "/etc/passwd"}, "no checkpoint '/etc/passwd'"),
    ({"checkpoint": "runs/mine/../mine"}, "choose one from the list"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_said(query, said):
    with pytest.raises(StateError, match="^.*" + re.escape(said)):
        read_state(query, NAMES)


def test_all_problems_are_said_at_once_and_the_rest_is_kept():
    with pytest.raises(StateError) as error:
        read_state({"a": "a bird", "seed": "x", "count": "100", "checkpoint": "?"}, NAMES)
    assert len(error.value.problems) == 3
    assert error.value.state == State("a bird", "", checkpoint="toy-hspcgan")


@pytest.mark.parametrize(("before", "after", "expected"), [
    ("a bird with a white belly", "a bird with a yellow belly", ("white", "yellow")),
    ("a red bird with red wings", "a red bird with blue wings", ("a red bird with red wings",
                                                                 "a red bird with blue wings")),
    ("a bird", "a small bird", ("a bird", "a small bird")),
    ("one bird flies", "two ducks swim", ("one bird flies", "two ducks swim")),
])  # fmt: skip
def test_the_replacement_is_the_shortest_that_gives_the_other_caption(before, after, expected):
    assert replacement(before, after) == expected


def test_commands_are_those_of_the_terminal(tmp_path):
    state = State("a red bird's nest", "a blue bird's nest", seed=3, count=2)
    for command, files in zip(state.commands(), (5, 2), strict=True):
        words = shlex.split(command)
        assert words[0] == "hspcgan"
        done = CliRunner().invoke(main, [*words[1:], "--dry-run", "--out", str(tmp_path)])
        assert done.exit_code == 0, done.output
        assert len(done.output.splitlines()) == files
    (alone,) = State("a red bird", "", checkpoint="runs/a b").commands()
    assert alone == "hspcgan sample 'a red bird' --seed 0 --checkpoint 'runs/a b' --count 4"
