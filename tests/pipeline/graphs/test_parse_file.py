"""`hspcgan parse --jsonl`: any file of captions, line for line, with what cannot be read listed."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers.cli import hspcgan
from helpers.datasets import write

from hspcgan.pipeline.concepts import ParseConfig
from hspcgan.pipeline.graphs import parse_file as module
from hspcgan.pipeline.graphs.parse_file import parse_file

SPACY = ParseConfig(annotator="spacy")
OLD = '{"caption": "old", "tuples": []}\n'  # of an earlier run


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


GOOD = ["a red bird on a branch", " two cats .", "a red bird on a branch", "ein Vögelchen 🐦"]
BAD = {
    b"": "empty line",
    b"{": "not JSON: Expecting property name enclosed in double quotes at column 2",
    b'{"caption": "a bi': "not JSON: Unterminated string starting at column 13",
    b'{"caption": "a\x1b[31m"}': "not JSON: Invalid control character at column 15",
    b'"a bird"': "found 'a bird'",
    b'{"text": "a bird"}': "found the keys text",
    b'{"caption": 7}': "found {'caption': 7}",
    b'{"caption": "\xff"}': "not UTF-8",
    b'{"caption": "\\ud800 bird"}': "lone surrogate",
    b'{"\\ud800": 1}': "found the keys \ud800",
    b'{"caption": "a bird", "n": ' + b"9" * 5000 + b"}": "not JSON: a number has too many digits",
    b'{"caption": "a bird", "caption": "a cat"}': "not JSON: the key 'caption' occurs twice",
    b"[" * 100_000: "nested too deeply",
    b'{"caption": "' + b"x" * 20_000_000 + b'"}': "the line has more than 16,777,216 bytes",
    b'{"caption": "!!!"}': "no letter or digit",
    b'{"caption": "' + b"bird " * 30_000 + b'"}': "150,000 characters; a caption may have up to 10,000",
}


@pytest.fixture
def source(tmp_path):
    """Good lines with bad ones between them."""
    good = [json.dumps({"caption": caption, "image": 3}).encode() for caption in GOOD]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join([*good[:2], *BAD, *good[2:]]) + b"\n")
    return path


def test_only_a_plain_file_is_replaced_and_a_links_is_written_in_its_place(source, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is not a regular file"):
        parse_file(source, tmp_path / "pipe", SPACY)
    (tmp_path / "real.jsonl").write_text(OLD)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    parse_file(source, tmp_path / "link.jsonl", SPACY)
    assert (tmp_path / "link.jsonl").is_symlink()
    assert len(lines(tmp_path / "real.jsonl")) == 4
    assert (tmp_path / "real.jsonl.rejects.jsonl").is_file()


@pytest.mark.parametrize("name", ["/dev/fd/{0}", "/proc/self/fd/{0}", "{1}/to-dev", "{1}/../{2}/to-dev"])
def test_an_open_file_such_as_that_of_dev_stdout_is_not_replaced(source, tmp_path, name):
    with open(write(tmp_path / "log", "kept\n"), "a") as file:
        (tmp_path / "to-dev").symlink_to(f"/dev/fd/{file.fileno()}")
        target = name.format(file.fileno(), tmp_path, tmp_path.name)
        result = hspcgan("parse", "--jsonl", source, target)
    assert (result.exit_code, f"{target} is already open" in result.output) == (3, True)
    assert (tmp_path / "log").read_text() == "kept\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "log", "to-dev"]


@pytest.mark.parametrize("place", [0, 1])
def test_a_hyphen_is_no_file(source, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    paths = [source, tmp_path / "out"]
    paths[place] = "-"
    assert 'IN and OUT cannot be "-"; IN may be /dev/stdin' in hspcgan("parse", "--jsonl", *paths).output
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_the_rejects_do_not_write_over_the_source(source, tmp_path):
    named = source.rename(tmp_path / "out.jsonl.rejects.jsonl")
    with pytest.raises(ValueError, match="would be overwritten"):
        parse_file(named, tmp_path / "out.jsonl", SPACY)


@pytest.mark.parametrize("content", ["my notes", '{"caption": "a bird"}\n', "[1]", "5", '["caption", "tuples"]'])
def test_a_users_file_is_not_replaced(source, tmp_path, content):
    target = write(tmp_path / "notes", content)
    with pytest.raises(ValueError, match=r"contains notes, but no graphs of `hspcgan parse` in them"):
        parse_file(source, target, SPACY)
    assert target.read_text() == content


def test_another_process_that_writes_the_same_file_meanwhile_disturbs_neither(source, tmp_path, monkeypatch):
    run, target = module.executors.run, tmp_path / "out.jsonl"
    others = tmp_path / ".out.jsonl.1.partial"

    def meanwhile(*arguments):
        others.write_text("of another process")
        yield from run(*arguments)

    monkeypatch.setattr(module.executors, "run", meanwhile)
    parse_file(source, target, SPACY)
    assert [row["caption"] for row in lines(target)] == GOOD
    assert others.read_text() == "of another process"


def test_every_line_ends_in_the_output_or_in_the_rejects(source, tmp_path):
    target = tmp_path / "new" / "out.jsonl"
    result = hspcgan("parse", "--jsonl", source, target)
    assert result.exit_code == 0, result.output
    assert "4 captions, 0 with an empty graph" in result.output
    assert f"{len(BAD)} lines rejected" in result.output
    rows = lines(target)
    assert [row["caption"] for row in rows] == GOOD
    assert sorted(rows[0]["tuples"]) == [["bird", "is", "red"], ["bird", "on", "branch"]]
    assert rows[2] == rows[0]
    assert rows[1]["tuples"] == [["cats", "is", "2"]]
    rejects = lines(target.with_name("out.jsonl.rejects.jsonl"))
    assert [row["line"] for row in rejects] == list(range(3, 3 + len(BAD)))
    for reject, why in zip(rejects, BAD.values(), strict=True):
        assert why in reject["why"]


def test_captions_that_are_too_long_to_parse_are_counted(tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    texts = ["a bird", "bird " * 301, "of", "x" * 2001]
    source.write_text("".join(json.dumps({"caption": text}) + "\n" for text in texts))
    result = hspcgan("parse", "--jsonl", source, target)
    assert "4 captions, 3 with an empty graph" in result.output
    assert "2 captions too long to parse (more than 300 words or 2,000 characters)" in result.output
    assert [bool(row["tuples"]) for row in lines(target)] == [True, False, False, False]


def test_a_second_run_without_bad_lines_leaves_no_old_rejects(source, tmp_path):
    target = tmp_path / "out.jsonl"
    parse_file(source, target, SPACY)
    source.write_text('{"caption": "a bird"}\n')
    assert parse_file(source, target, SPACY).rejected == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_batches_and_processes_do_not_change_the_bytes(source, tmp_path, monkeypatch):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    parse_file(source, one, SPACY)
    monkeypatch.setattr(module, "LINES", 3)
    parse_file(source, two, ParseConfig(annotator="spacy", batch_size=1, processes=2))
    assert one.read_bytes() == two.read_bytes()


def test_stanza_annotates_where_it_is_asked_for(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"caption": "a red bird swims on the water"}\n')
    result = hspcgan(
        "parse",
        "--jsonl",
        tmp_path / "in.jsonl",
        tmp_path / "out.jsonl",
        "--annotator",
        "stanza",
        "--model",
        "toy-stanza",
    )
    assert result.exit_code == 0, result.output
    assert sorted(lines(tmp_path / "out.jsonl")[0]["tuples"]) == [["bird", "is", "red"], ["bird", "swim on", "water"]]


@pytest.mark.parametrize(("number", "code", "processes"), [(signal.SIGTERM, 143, 1), (signal.SIGHUP, 129, 2)])
def test_a_signal_ends_it_and_leaves_nothing_behind(tmp_path, number, code, processes):
    target = write(tmp_path / "out", OLD)
    command = [sys.executable, "-c", "from hspcgan.pipeline.cli.root import main; main()"]
    command += ["parse", "--jsonl", "/dev/stdin", str(target), "--processes", str(processes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        process.stdin.write(b'{"caption": "a red bird"}\n' * 5000)  # more than a batch, and more may come
        process.stdin.flush()
        while len(list(tmp_path.iterdir())) == 1:
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(60) == code
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"out": OLD}


def test_a_file_without_one_caption_leaves_what_was_there(tmp_path):
    source, target = write(tmp_path / "in", '\n{"text": "a bird"}\n'), write(tmp_path / "out", OLD)
    result = hspcgan("parse", "--jsonl", source, target)
    assert (result.exit_code, "no usable caption in 2 lines; line 1: empty line" in result.output) == (3, True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"in": source.read_text(), "out": OLD}
    assert hspcgan("parse", "--jsonl", write(source, ""), target).exit_code == 0
    assert target.read_text() == ""


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_what_is_wrong_is_said_before_the_work_and_by_a_dry_run(source, tmp_path, dry):
    out, packed = tmp_path / "out", write(tmp_path / "in.gz", gzip.compress(source.read_bytes()))
    for arguments, message in {
        (source, source): "would be overwritten",
        (tmp_path / "none", out): "no such file",
        (packed, out): f"{packed} is compressed with gzip; unpack it",
        (source, tmp_path): "is a folder; give a file for OUT",
        (source, source / "deep" / "out"): f"{source} is a file, expected a folder",
        (source, "/dev/stdout"): "is already open",
        (source, out, "--model", "no_such_model"): "spaCy model no_such_model not found",
        (source, out, "--model", "no_such_model", "--processes", "2"): "spaCy model no_such_model not found",
        (source, out, "--annotator", "stanza", "--model", "none"): "`hspcgan doctor` lists other weights",
    }.items():
        result = hspcgan("parse", "--jsonl", *arguments, *dry)
        assert (result.exit_code, message in result.output) == (3, True), result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.gz", "in.jsonl"]


def test_a_manifest_or_a_file_is_asked_for(source, tmp_path):
    for given in ((), ("toybirds", "--jsonl", source, tmp_path / "out")):
        assert "give either a MANIFEST or --jsonl" in hspcgan("parse", *given).output


@pytest.mark.parametrize(
    "option", [("--annotator", "spacy"), ("--model", "en"), ("--batch-size", 256), ("--processes", 1)]
)
def test_options_of_a_file_are_refused_with_a_manifest(option):
    result = hspcgan("parse", "toybirds", *option, "--dry-run")
    assert (result.exit_code, f"{option[0]}: only for --jsonl" in result.output) == (2, True)


@pytest.mark.parametrize("option", [("-o", "data.foo=1"), ("--engine", "local"), ("--rebuild",)])
def test_options_of_a_manifest_are_refused_with_a_file(source, tmp_path, option):
    result = hspcgan("parse", "--jsonl", source, tmp_path / "out", *option)
    name = {"-o": "--override"}.get(option[0], option[0])
    assert (result.exit_code, f"{name}: only for a MANIFEST" in result.output) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_dry_run_writes_nothing(source, tmp_path):
    assert hspcgan("parse", "--jsonl", source, tmp_path / "new" / "out", "--dry-run").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_link_to_itself_is_no_file(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ValueError, match="loop: a link that points back to itself, expected a file"):
        parse_file(tmp_path / "loop", tmp_path / "out.jsonl", ParseConfig(annotator="spacy"))
