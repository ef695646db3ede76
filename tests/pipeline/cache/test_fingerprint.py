"""Fingerprints of code: its behaviour counts, its comments and docstrings do not, and only modules in use."""

import sys

import pytest
from helpers.datasets import folder_dataset

from hspcgan.pipeline.cache.fingerprint import code_of, code_sha256
from hspcgan.pipeline.concepts.annotate import fingerprint_inputs
from hspcgan.pipeline.sources.config import DataConfig
from hspcgan.pipeline.stages import ingest, taps
from hspcgan.pipeline.stages.encode import EncodeConfig

CODE = '''"""What it does."""
SIZE = 3
"""Pixels."""


class Crop:
    """A crop."""

    def side(self, scale: float = 2.0) -> str:
        """Its side."""
        return f"{SIZE * scale} px"  # in pixels
'''


def digest(tmp_path, text: str) -> str:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
    path.write_text(text)
    return code_sha256(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# in pixels", "# of the square"),
        ('"""Its side."""', '"""The length of its side."""'),
        ('"""Pixels."""', ""),
        ('"""What it does."""\n', ""),
        ("SIZE = 3", "SIZE = (\n    3\n)"),
        ('f"{SIZE', "f'{SIZE"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(tmp_path, old, new):
    changed = CODE.replace(old, new)
    if new.startswith("f'"):
        changed = changed.replace(' px"', " px'")
    assert changed != CODE
    assert digest(tmp_path, changed) == digest(tmp_path, CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("SIZE = 3", "SIZE = 4"), ("SIZE = 3", "SIZE = 3.0"), (" px", " pixels"), ("* scale", "+ scale"), ("2.0", "None")],
)
def test_behaviour_counts(tmp_path, old, new):
    assert digest(tmp_path, CODE.replace(old, new)) != digest(tmp_path, CODE)


def test_the_digest_does_not_depend_on_the_version_of_python(tmp_path):
    """The literal was computed by hand from the text of the tree: nodes with the fields that hold something."""
    import hashlib

    tree = "Module(body=[Assign(targets=[Name(id='x',ctx=Store())],value=Constant(value=1))])"
    assert digest(tmp_path, "x = 1  # one\n") == hashlib.sha256(tree.encode()).hexdigest()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Package `shapes`: square imports side, in a function, which imports units; round imports nothing."""
    folder = tmp_path / "shapes"
    folder.mkdir()
    texts = {"__init__": "", "square": "def f():\n    from shapes.side import length\n", "round": "import math\n",
             "side": "from shapes import units\nlength = 1\n", "units": "px = 1\n"}  # fmt: skip
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "shapes"]:
        del sys.modules[name]


def test_modules_in_use_are_followed_through_their_imports(package):
    assert list(code_of(["shapes.square"], ("shapes",))) == ["shapes.side", "shapes.square", "shapes.units"]
    assert list(code_of(["shapes.square"])) == ["shapes.square"]
    assert code_of(["shapes.round"], ("shapes",)) == {"shapes.round": code_sha256(package / "round.py")}


@pytest.mark.parametrize("wrong", ["shapes.triangle", "shapes.side.length", "shapes", "forms.square"])
def test_a_stated_name_that_is_no_module_is_an_error(package, wrong):
    with pytest.raises(ModuleNotFoundError, match=f"no module {wrong};"):
        code_of(["shapes.square", wrong], ("shapes",))


def test_ingest_and_taps_state_the_code_of_all_their_modules(tmp_path, tiny_clip_path):
    data = DataConfig(source="folder", path=folder_dataset(tmp_path / "data"), image_size=16)
    assert {*ingest.RULES, "hspcgan.pipeline.sources.folder"} <= ingest.stage(data).inputs["code"].keys()
    encode = EncodeConfig(clip=str(tiny_clip_path), device="cpu")
    assert set(taps.CODE) == taps.stage(taps.TapsConfig(views=("whole",)), encode).inputs["code"].keys()


@pytest.mark.parametrize("annotator", fingerprint_inputs.MODULES)
def test_an_annotator_states_the_code_of_all_its_modules(annotator):
    stated = fingerprint_inputs.rules_code(annotator).keys()
    modules = ("parser", *fingerprint_inputs.MODULES[annotator])
    assert {f"{fingerprint_inputs.PACKAGE}.{name}" for name in modules} <= stated
