"""A playground of the shipped checkpoint, one for the tests of this folder."""

import pytest


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    from helpers.web.playground import serving

    with serving(tmp_path_factory.mktemp("runs")) as site:
        yield site
