"""Names and texts from outside reach the terminal as text: no escape sequence, no direction override."""

import pytest
from helpers.cli import hspcgan
from helpers.datasets import manifest, picture, write

from hspcgan.model.common.printable import printable

ODD = "\x1b[31mred\x1b]0;title\x07\x9b5m\u202e"


@pytest.mark.parametrize(("text", "shown"), [
    ("a bird", "a bird"), ("un café 🐦 鳥 طائر", "un café 🐦 鳥 طائر"), ("one\ntwo\tthree", "one\ntwo\tthree"), ("\x1b[31m", "\\x1b[31m"), ("a\rb\x08", "a\\rb\\x08"),
    ("\x9b", "\\x9b"), ("\u202egnp\u202c", "\\u202egnp\\u202c"), ("\udcff", "\\udcff"), ("\u2028", "\\u2028"), ("\x7f", "\\x7f"), ("\0", "\\x00"),
])  # fmt: skip
def test_control_characters_are_escapes_and_all_other_text_stays(text, shown):
    assert printable(text) == shown


def clean(text: str) -> bool:
    return all(char in "\n\t" or char.isprintable() or char == "\u200d" for char in text)


def test_odd_names_reach_no_terminal_from_any_command(tmp_path, tiny_clip_path):
    data = tmp_path / "data"
    write(data / f"{ODD}.png", b"junk")
    write(data / f"{ODD}.txt", f"a {ODD} bird")
    write(data / "good.png", picture())
    write(data / "good.txt", f"a bird {ODD}\n...{ODD}\n")
    path = manifest(tmp_path / "m.yaml", data, tiny_clip_path)
    cache = path.with_suffix(".cache")
    prepared = hspcgan("prepare", path)
    assert prepared.exit_code == 0, prepared.output
    csv = write(tmp_path / "t.csv", f"image{ODD},caption\nx,y\n")
    commands = [
        ("prepare", path), ("prepare", path, "--dry-run"), ("stats", cache), ("inspect", cache), ("inspect", cache, "--search", ODD), ("inspect", tmp_path / ODD),
        ("validate", tmp_path / ODD), ("prepare", ODD), ("train", f"{ODD}.yaml"), ("prepare", path, "-o", f"data.{ODD}=1"), ("prepare", path, "-o", f"name='{ODD}'"),
        ("prepare", path, "-o", f"data.path={tmp_path / ODD}"), ("keys", ODD), ("manifests", ODD), ("models", "fetch", ODD), ("export", cache, tmp_path / "out"), ("report", tmp_path / ODD),
        ("sample", "a bird", "--checkpoint", ODD), ("sample", "a bird", "--texts", tmp_path / ODD), ("graphs", tmp_path / ODD, csv), ("prepare", path, f"--{ODD}"), (ODD,),
        ("prepare", manifest(tmp_path / "n.yaml", csv, tiny_clip_path, source="table")),
    ]  # fmt: skip
    for command in commands:
        for form in ((), ("--log-format", "json")):
            result = hspcgan(*form, *command)
            assert clean(result.output), (command, result.output)
            assert "Traceback" not in result.output, (command, result.output[-1500:])
