"""A password in a URL from outside appears in no message, no log and no file that a command writes."""

import pytest
from helpers.cli import hspcgan
from helpers.corpus import ingest, ingested
from helpers.datasets import manifest, picture, write

from hspcgan.model.common.printable import printable, without_passwords

SECRET = "s3cr3t"
URL = f"https://user:{SECRET}@127.0.0.1:1/shards"


@pytest.mark.parametrize(("text", "shown"), [
    (f"{URL}: no", "https://user:***@127.0.0.1:1/shards: no"), (f"https:/user:{SECRET}@host", "https:/user:***@host"),
    (f"s3://:{SECRET}@b and ftp://a:{SECRET}@c", "s3://:***@b and ftp://a:***@c"), (f"http://a:{SECRET}@x:y@h/z", "http://a:***@h/z"),
    (f"got 'https://a:{SECRET}' …", "got 'https://a:***' …"), (f"http://a:{SECRET}", "http://a:***"), ("http://[::1 is", "http://[::1 is"),
    ("at http://host:80", "at http://host:80"), ("http://host:8080: no", "http://host:8080: no"), ("'http://host:80'", "'http://host:80'"), ("x://a: b", "x://a: b"),
    ("http://host:80/a@b", "http://host:80/a@b"), ("https://user@host/x", "https://user@host/x"), ("10:30 a@b", "10:30 a@b"),
])  # fmt: skip
def test_the_password_of_a_url_is_replaced_and_other_text_stays(text, shown):
    assert without_passwords(text) == printable(text) == shown


def test_no_command_prints_it(tmp_path, tiny_clip_path):
    path = manifest(tmp_path / "m.yaml", tmp_path, tiny_clip_path, source="webdataset")
    table = manifest(tmp_path / "t.yaml", URL, tiny_clip_path, source="table", images=URL)
    commands = [
        ("prepare", path, "-o", f"data.path={URL}"), ("prepare", path, "-o", f"data.path={URL}", "--dry-run"), ("prepare", table),
        ("prepare", path, "-o", f"cache={URL}"), ("train", path, "-o", f"run={URL}"), ("prepare", path, "-o", f"data.source={URL}"),
        ("ingest", path, "-o", f"data.path={URL}", "-v"), ("prepare", manifest(tmp_path / "f.yaml", URL, tiny_clip_path)), ("prepare", URL), ("train", URL),
        ("copy", URL, tmp_path / "out"), ("copy", tmp_path, URL), ("inspect", URL), ("validate", URL), ("stats", URL), ("export", URL, tmp_path / "out"),
        ("report", URL), ("evaluate", URL), ("sample", "a bird", "--checkpoint", URL), ("graphs", URL, URL), ("sample", "--texts", URL), (URL,), ("keys", URL),
    ]  # fmt: skip
    for command in commands:
        for form in ((), ("--log-format", "json"), ("--debug",)):
            result = hspcgan(*form, *command)
            assert result.exit_code != 0, command
            assert SECRET not in result.output, (command, result.output)


def test_it_is_not_in_the_manifest_of_a_run(tmp_path, world):
    source = f"data={{source: webdataset, path: '{URL}'}}"
    result = hspcgan("train", world / "manifest.yaml", "-o", f"run={tmp_path / 'run'}", "-o", source)
    assert result.exit_code == 0, result.output
    saved = (tmp_path / "run" / "manifest.yaml").read_text()
    assert "https://user:***@127.0.0.1:1/shards" in saved
    assert not any(SECRET.encode() in file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file())


def test_it_is_not_among_the_rejects(tmp_path, tiny_clip_path):
    write(tmp_path / "data" / "0.png", picture())
    table = write(tmp_path / "data" / "all.csv", f"image,caption\n0.png,a bird\n{URL}/a.png,a cat\n")
    result, cache = ingest(tmp_path, table, tiny_clip_path, "table")
    assert result.exit_code == 0, result.output
    assert "image is a URL: 'https://user:***@127.0.0.1:1/shards/a.png'" in ingested(cache).why("all.csv#2")
