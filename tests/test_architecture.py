"""Imports run one way between the rooms, and training needs none of the language and scoring tools."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("pipeline", "model", "train", "evaluate")
CACHE_LIBRARIES = {"numpy", "h5py", "pyarrow", "pandas", "PIL"}
OF_MODEL = tuple(f"hspcgan.model.common.{name}" for name in ("errors", "files", "user_files"))
"""What the cache may import of the model."""
MOST_ENTRIES = 13


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("hspcgan", *(part for part in parts if part != "__init__")))


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Absolute names that a source file imports, and whether at module level (outside functions)."""

    def visit(node: ast.AST, at_module_level: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, at_module_level) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    package = module_name(path).split(".")
                    package = package if path.name == "__init__.py" else package[:-1]
                    base = ".".join(package[: len(package) - child.level + 1] + ([base] if base else []))
                yield from ((f"{base}.{alias.name}", at_module_level) for alias in child.names)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from visit(child, at_module_level and not inside)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), True)


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def ours(path: Path) -> list[tuple[str, bool]]:
    return [(name, top) for name, top in imports(path) if name.startswith("hspcgan.")]


def within(name: str, *prefixes: str) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def test_rooms_have_sources():
    assert all(len(sources(room)) > 1 for room in ROOMS)


@pytest.mark.parametrize("path", sources("model"), ids=module_name)
def test_model_imports_nothing_of_ours(path):
    assert [name for name, _ in ours(path) if not within(name, "hspcgan.model")] == []


@pytest.mark.parametrize("path", sources("pipeline"), ids=module_name)
def test_pipeline_imports_of_the_model_only_clip_and_what_it_is_shown(path):
    names = ("clip", "common", "config", "published_weights", "image_views")
    allowed = ("hspcgan.pipeline", *(f"hspcgan.model.{name}" for name in names))
    assert [name for name, _ in ours(path) if not within(name, *allowed)] == []


@pytest.mark.parametrize("path", sources("pipeline/cache"), ids=module_name)
def test_the_cache_imports_only_its_storage_libraries(path):
    allowed = CACHE_LIBRARIES | set(sys.stdlib_module_names)
    found = [name for name, _ in imports(path)]
    foreign = [name for name in found if not within(name, "hspcgan.pipeline.cache", *OF_MODEL)]
    assert [name for name in foreign if name.split(".")[0] not in allowed] == []


@pytest.mark.parametrize("path", sources("train"), ids=module_name)
def test_train_imports_model_cache_and_manifest_and_metrics_inside_functions(path):
    allowed = ("hspcgan.train", "hspcgan.model", "hspcgan.pipeline.cache", "hspcgan.pipeline.manifest")
    allowed += ("hspcgan.pipeline.bench.config",) if path.parent.name == "bench" else ()
    allowed += ("hspcgan.pipeline.pages.templates",) if path.parent.name == "study" else ()
    beyond = [(name, top) for name, top in ours(path) if not within(name, *allowed)]
    assert [name for name, top in beyond if top or not within(name, "hspcgan.evaluate")] == []


@pytest.mark.parametrize("path", sources("evaluate"), ids=module_name)
def test_evaluate_imports_model_and_pipeline(path):
    allowed = ("hspcgan.evaluate", "hspcgan.model", "hspcgan.pipeline")
    assert [name for name, _ in ours(path) if not within(name, *allowed)] == []


def test_relative_imports_are_resolved(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "train").mkdir()
    path = tmp_path / "train" / "loop.py"
    path.write_text("from . import data\nfrom ..evaluate import fid\ndef f():\n    import hspcgan.evaluate.fid\n")
    assert list(imports(path)) == [
        ("hspcgan.train.data", True),
        ("hspcgan.evaluate.fid", True),
        ("hspcgan.evaluate.fid", False),
    ]


def loaded_by(*modules: str) -> set[str]:
    """Top-level packages in memory after a fresh interpreter has imported these modules."""
    code = f"import sys, {', '.join(modules)}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_trainer_leaves_language_and_scoring_tools_alone():
    loaded = loaded_by("hspcgan.train.loop")
    assert "torch" in loaded
    assert {"stanza", "spacy", "cleanfid", "click", "sng_parser"}.isdisjoint(loaded)


def test_importing_the_evaluation_leaves_language_tools_alone():
    loaded = loaded_by(*(module_name(path) for path in sources("evaluate")))
    assert "torch" in loaded
    assert {"stanza", "spacy", "sng_parser"}.isdisjoint(loaded)


def module_graph(*folders: str) -> dict[str, set[str]]:
    """Each module of ours and the modules of ours that it imports, at module level and inside functions."""
    modules = {module_name(path): path for path in sources(*folders)}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        names = {name for name, _ in ours(path)}
        imported = {name if name in modules else name.rpartition(".")[0] for name in names}
        graph[module] = (imported & modules.keys()) - {module}
    return graph


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of import cycles and those between them: what remains when the ends of chains are removed."""
    left = dict(graph)
    while True:
        imported = set().union(*left.values()) if left else set()
        kept = {name: found & left.keys() for name, found in left.items() if name in imported and found & left.keys()}
        if kept == left:
            return sorted(left)
        left = kept


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_has_a_circular_import(room):
    assert cycle(module_graph(room)) == []


def test_a_cycle_is_found():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b", "e"}, "d": {"a"}, "e": set()}) == ["b", "c"]
    assert cycle({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_every_import_of_ours_finds_its_module():
    """A wrong import within a function fails only when the function is called."""
    files = {module_name(path).replace("hspcgan.tests.", ""): path for path in sources(*ROOMS, "tests", "manifests")}
    defining = {name for name, path in files.items() if path.name != "__init__.py" or defines_names(path)}
    imported = {(module, name) for module, path in files.items() for name, _ in imports(path)}
    own = {pair for pair in imported if pair[1].startswith(("hspcgan.", "helpers."))}
    assert {pair for pair in own if pair[1] not in files and pair[1].rpartition(".")[0] not in defining} == set()


def defines_names(path: Path) -> bool:
    """Whether a file contains more than a docstring."""
    return len(ast.parse(path.read_text(encoding="utf-8")).body) > 1


def test_no_folder_of_code_has_more_than_about_twelve_entries():
    folders = {path.parent for path in sources(*ROOMS, "tests")}
    sizes = {folder.relative_to(ROOT).as_posix(): entries(folder) for folder in folders}
    assert {name: count for name, count in sizes.items() if count > MOST_ENTRIES} == {}


def entries(folder: Path) -> int:
    """Files and folders, without `__init__.py`, `py.typed`, `README.md` and Python's own cache."""
    return sum(path.name not in ("__init__.py", "__pycache__", "py.typed", "README.md") for path in folder.iterdir())


def test_commands_print_through_echo_which_escapes_control_characters():
    raw = [path for path in sources(*ROOMS) if "click.echo" in path.read_text(encoding="utf-8")]
    assert [path.relative_to(ROOT).as_posix() for path in raw] == ["model/common/printable.py"]
