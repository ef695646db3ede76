"""README's commands exist with the options it shows, its Python runs, its table has every command, its links work."""

import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest
from helpers.cli import hspcgan

from hspcgan.pipeline.cli.root import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("*/README.md"), *ROOT.glob("*/*/README.md")]
PAGES = [page for page in PAGES if not page.relative_to(ROOT).parts[0].startswith(".")]


def shown_commands(page: Path) -> list[str]:
    """Every line of a page's bash blocks, and every code span, that calls hspcgan."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`(hspcgan [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    parts = [part.strip() for line in lines for part in re.split(r"&&|\|\|", line.split(" #")[0])]
    return [part for part in parts if re.match(r"(\S*/)?hspcgan ", part)]


COMMANDS = sorted({(page.relative_to(ROOT).as_posix(), command) for page in PAGES for command in shown_commands(page)})


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_commands_shown_in_pages_parse(page, command):
    group: click.Command = main
    arguments = shlex.split(command.replace("…", ""))[1:]
    context = click.Context(main, info_name="hspcgan")
    while isinstance(group, click.Group):
        name = arguments.pop(0)
        found = group.get_command(context, name)
        assert found is not None, f"{page}: no command {name}"
        group = found
    with suppress(click.BadOptionUsage):  # in running text an option is named without its values
        _, rest, _ = group.make_parser(click.Context(group)).parse_args(arguments)  # raises for an unknown option
        assert rest == [], f"{page}: too many arguments"


def test_the_command_table_has_every_command():
    rows = (
        (ROOT / "README.md")
        .read_text(encoding="utf-8")
        .split("| command | does |\n| --- | --- |\n")[1]
        .split("\n\n")[0]
    )
    spans = [span for row in rows.splitlines() for span in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    assert sorted(span.split()[0] for span in spans) == sorted(main.list_commands(click.Context(main)))


def test_the_python_lines_run_on_a_small_world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = tmp_path / "small.yaml"
    small.write_text(
        "{base: toybirds, cache: runs/toybirds/cache, run: runs/toybirds/run, data: {scenes: 60}, "
        "parse: {processes: 1}, evaluate: {samples: 2, metrics: [clip_score], expect: null, device: cpu}}"
    )
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    before, scoring = block.replace('"toybirds"', repr(str(small))).split("# Images named")
    names: dict[str, Any] = {}
    exec(before, names)
    assert {"text", "entities", "attributes", "relations"} <= set(names["captions"].columns)
    assert len(names["captions"]) == len(names["cache"].captions)
    assert ["bird", "is", "red"] in names["graphs"][0]
    assert (names["images"].shape, names["images"].dtype) == ((2, 56, 56, 3), "uint8")
    kept = hspcgan("evaluate", small, "--checkpoint", "toy-hspcgan", "--keep-images")
    assert kept.exit_code == 0, kept.output
    exec("# " + scoring, names)
    assert set(names["scores"]["metric"]) == {"clip_score"}
    assert names["scores"]["value"].between(-1, 1).all()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_pages_lead_to_files(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not link.startswith("http") and not (page.parent / link).exists()]
    assert missing == []
