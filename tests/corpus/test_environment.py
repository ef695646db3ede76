"""Odd environments: variables of launchers that are empty or no numbers."""

import pytest
from helpers.cli import hspcgan
from helpers.corpus import assert_told, bounded


@pytest.mark.parametrize("name", ["WORLD_SIZE"])
@pytest.mark.parametrize("value", ["", "x", "1.5", "-1"])
def test_a_launchers_variable_is_named_or_as_if_it_were_not_set(monkeypatch, tmp_path, name, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with bounded():
        result = hspcgan("train", "toybirds", "--dry-run")
    if value == "":
        assert result.exit_code == 0, result.output
    else:
        assert_told(result, f"{name} is {value!r}", codes={3})
