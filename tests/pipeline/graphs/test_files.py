"""Files of scene graphs: gold in the forms in which it may come, predictions line for line, and what is neither."""

import json

import pytest
from helpers.cli import hspcgan
from helpers.datasets import write

from hspcgan.pipeline.graphs import files

HEADER = "caption,scene_graph\n"


def gold(tmp_path, content):
    return files.read_gold(write(tmp_path / "gold.csv", content))


@pytest.mark.parametrize(
    ("cell", "tuples"),
    [
        ("( man , ride , wave ) , ( wave , is , big )", [["man", "ride", "wave"], ["wave", "is", "big"]]),
        ("( man , ride , wave ), ( sky )", [["man", "ride", "wave"], ["sky"]]),  # read as one tuple of five before
        ("(man,ride,wave),(sky)", [["man", "ride", "wave"], ["sky"]]),
        (" ( fire hydrant )\n,\n( sky ) ", [["fire hydrant"], ["sky"]]),
        ("", []),
    ],
)
def test_a_scene_graph_is_read_however_it_is_spaced(tmp_path, cell, tuples):
    assert gold(tmp_path, f'{HEADER}a caption,"{cell}"\n') == [("a caption", tuples)]


def test_what_spreadsheets_add_is_no_difference(tmp_path):
    plain = gold(tmp_path, HEADER + 'a dog,( dog )\n"dogs, two","( dogs , is , 2 )"\n')
    assert plain == [("a dog", [["dog"]]), ("dogs, two", [["dogs", "is", "2"]])]
    marked = "\ufeff" + 'caption,scene_graph,\r\n"a dog",( dog ),\r\n\r\n"dogs, two","( dogs , is , 2 )",\r\n'
    assert gold(tmp_path, marked) == plain
    line = json.dumps({"caption": "a dog", "tuples": [["dog"]]})
    assert files.read_gold(write(tmp_path / "gold.jsonl", f"\ufeff{line}\n")) == plain[:1]


def test_gold_may_be_lines_like_predictions(tmp_path):
    path = write(tmp_path / "out.jsonl", json.dumps({"caption": "a dog", "tuples": [["dog"]]}))
    assert files.read_gold(path) == [("a dog", [["dog"]])]
    assert "SPICE F1 100.00" in hspcgan("graphs", str(path), str(path)).output


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gold.csv", "text,graph\na,b\n", r"line 1: found columns: text, graph; expected caption and scene_graph"),
        ("gold.csv", "", r"line 1: found columns: none; expected"),
        ("gold.csv", "caption;scene_graph\na;( a )\n", r"expected caption and scene_graph; .* separated by ';'"),
        ("gold.csv", "\udcff\udcfec\0a\0", r"gold\.csv is encoded in UTF-16"),
        ("gold.jsonl", "\udcff\udcfec\0a\0", r"gold\.jsonl is encoded in UTF-16"),
        ("gold.csv", "caption,caption,scene_graph\na,b,( a )\n", r"line 1: several columns have the name caption or"),
        ("gold.csv", HEADER, r"no scene graph; expected rows of FACTUAL's CSV"),
        ("gold.csv", HEADER + "a,( a )\nb\n", r"gold\.csv, line 3: 1 cell, expected 2 as in the header"),
        ("gold.csv", HEADER + "a,( a )\nb,( a , on , b )\n", r"line 3: 4 cells, expected 2"),
        ("gold.csv", HEADER + 'a,( a )\n"b,( b )\nc,( c )\n', r"line 3: unexpected end.*a quote opened here"),
        ("gold.csv", HEADER + '"a\nb",( a )\na,"( a" )\n', r"line 4: ',' expected.*a quote opened here"),
        ("gold.csv", HEADER + "a,garbage\n", r"line 2: expected a scene_graph such as .*got 'garbage'"),
        ("gold.csv", HEADER + "a,( a ) ; ( b )\n", r"line 2: .*got '\( a \) ; \( b \)'"),
        ("gold.csv", HEADER + "a,( a\n", r"line 2: .*got '\( a'"),
        ("gold.csv", HEADER + 'a,"( a ) ,"\n', r"line 2: .*got '\( a \) ,'"),
        ("gold.csv", HEADER + 'a,"( a , , b )"\n', r"line 2: .*got '\( a , , b \)'"),
        ("gold.csv", HEADER + "a,( a )\ncaf\udce9,( a )\n", r"gold\.csv, line 3: not UTF-8: invalid continuation"),
        ("gold.jsonl", '{"caption": "a"}\n', r"line 1: expected"),
        ("gold.jsonl", '{"caption": "a", "tuples": []}\nnonsense\n', r"line 2: expected .*got 'nonsense'"),
        ("gold.jsonl", '{"caption": "a", "tuples": "xyz"}\n', r"line 1: expected"),
        (
            "gold.jsonl",
            '{"caption": "a", "tuples": [["a", "b", "c", "d"]]}\n',
            r"line 1: .*a tuple has 1 to 3 strings",
        ),
        ("gold.jsonl", '{"caption": "a", "tuples": [[1]]}\n', r"line 1: .*a tuple has 1 to 3 strings"),
        ("gold.jsonl", '{"caption": "a", "tuples": [[]]}\n', r"line 1: .*a tuple has 1 to 3 strings"),
        ("gold.jsonl", '{"caption": "\udcff", "tuples": []}\n', r"gold.jsonl, line 1: expected .*xff"),
        (
            "gold.jsonl",
            '{"caption": "a", "caption": "b", "tuples": []}',
            r"line 1: the key 'caption' occurs twice; keep",
        ),
        ("gold.jsonl", "[" * 100_000, r"line 1: expected"),
        ("gold.jsonl", "", "no scene graph; expected"),
    ],
)
def test_gold_that_is_none_is_refused_with_its_line(tmp_path, name, content, message):
    path = write(tmp_path / name, content.encode("utf8", "surrogateescape"))
    with pytest.raises(ValueError, match=message):
        files.read_gold(path)


def test_a_caption_may_be_predicted_twice_if_the_tuples_are_the_same(tmp_path):
    graphs = [[["dog"], ["dog", "is", "red"]], [["dog", "is", "red"], ["dog"]], [["dog"]]]
    lines = [json.dumps({"caption": "a red dog", "tuples": tuples}) for tuples in graphs]
    path = write(tmp_path / "out.jsonl", "\n".join(lines[:2]))
    assert files.read_predictions(path) == {"a red dog": graphs[0]}
    write(path, "\n".join(lines))
    with pytest.raises(ValueError, match=r"out\.jsonl, line 3: line 1 has different tuples for 'a red dog'; keep one"):
        files.read_predictions(path)


def test_no_predictions_are_refused_with_the_command_that_makes_some(tmp_path):
    with pytest.raises(ValueError, match="no scene graph; make predictions with hspcgan parse --jsonl"):
        files.read_predictions(write(tmp_path / "out.jsonl", ""))


@pytest.mark.parametrize("name", ["none", "none.csv"])
def test_a_missing_file_is_refused_with_the_command_that_makes_one(tmp_path, name):
    for read in (files.read_predictions, files.read_gold):
        with pytest.raises(ValueError, match=rf"{name}: no such file; hspcgan parse --jsonl"):
            read(tmp_path / name)
        with pytest.raises(ValueError, match=rf"{tmp_path.name}: a folder, expected a file; hspcgan parse --jsonl"):
            read(tmp_path)
