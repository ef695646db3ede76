"""FACTUAL's parser from its folder: loaded offline, batches, the Parser with it, and refusals. Small T5s."""

import json
import shutil
import socket

import pytest
import torch
from helpers.cli import hspcgan
from helpers.concepts import spoken
from helpers.datasets import manifest, picture, write
from helpers.models import t5 as world
from safetensors.torch import load_file, save_file

from hspcgan.model.common.errors import UserError
from hspcgan.model.published_weights import CONVERT
from hspcgan.pipeline.cache.reader import Cache
from hspcgan.pipeline.cache.validate import validate
from hspcgan.pipeline.cache_tools.show import statistics
from hspcgan.pipeline.concepts import ParseConfig, Parser
from hspcgan.pipeline.concepts.annotate.t5 import Factual, Graph
from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.stages.prepare import prepare

SHIRT, BIRDS, CUT, SLEEPING = world.TAUGHT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return world.build(tmp_path_factory.mktemp("factual"))


@pytest.fixture(scope="module")
def parser(folder):
    return Parser(ParseConfig(annotator="factual", model=str(folder)))


def test_the_folder_loads_without_network_and_writes_its_graphs(folder, monkeypatch):
    def refused(*_args, **_options):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "socket", refused)
    assert Factual(str(folder)).read([SHIRT, BIRDS, CUT, SLEEPING, " "]) == [
        Graph([["man", "wear", "shirt"], ["shirt", "is", "white"]]),
        Graph([["birds", "is", "2"]]),
        Graph([["bird", "on", "branch"], ["bird", "is", "red"]], malformed=1),
        Graph([["dog"]]),
        Graph([]),
    ]


def test_a_text_alone_and_among_longer_ones_has_one_graph(parser):
    texts = [SHIRT, BIRDS, CUT, SLEEPING, "a white bird", "two men in red"] * 7  # more than one batch
    together = parser.factual.read(texts)
    assert together == [parser.factual.read([text])[0] for text in texts[:6]] * 7
    assert len({str(graph) for graph in together}) >= 4


def test_a_text_beyond_the_model_is_cut_and_says_so(parser):
    assert not parser.factual.read([SHIRT])[0].is_cut
    assert parser.factual.read([SHIRT + " and a bird" * 200])[0].is_cut


def test_the_parser_gives_concepts_with_places(parser):
    shirt, birds, cut = parser.parse([SHIRT, BIRDS.upper(), CUT])
    assert spoken(shirt) == {
        "entities": ["man", "shirt"], "attributes": ["white (shirt)"], "relations": ["wear (man, shirt)"]
    }  # fmt: skip
    assert shirt.graph["relations"] == [[0, "wear", 1]]
    assert shirt.graph["entities"][1] == {"head": "shirt", "attributes": ["white"], "start": 17, "end": 22}
    assert [(e.head, e.start, e.end) for e in birds.entities] == [("bird", 4, 9)]
    assert [a.text for a in birds.attributes] == ["two"]
    assert (cut.notes["factual_malformed"], shirt.notes["factual_malformed"]) == (1, 0)


def test_without_a_placed_entity_noun_chunks_stand_in(parser):
    (concepts,) = parser.parse([SLEEPING])
    assert concepts.empty
    assert [(e.start, e.end) for e in concepts.entities] == [(0, 8)]
    assert len(concepts.graph["entities"]) == concepts.notes["factual_unlocated"] == 1


def test_tuples_are_the_models_own(parser):
    assert parser.tuples([BIRDS, SLEEPING]) == [[["birds", "is", "2"]], [["dog"]]]


def test_the_fingerprint_follows_weights_and_settings_but_no_other_file(folder, tmp_path, parser):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "README.md").write_text("about")
    config = ParseConfig(annotator="factual", model=str(copy))
    assert Parser(config).versions() == parser.versions()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        before = Parser(config).versions()["factual_model"]
        (copy / name).write_bytes((copy / name).read_bytes() + b" ")
        assert Parser(config).versions()["factual_model"] != before


def test_a_pickle_is_refused_and_the_command_converts_it(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors missing; \.bin files are pickles") as refusal:
        Factual(str(tmp_path))
    assert CONVERT in str(refusal.value)
    monkeypatch.chdir(tmp_path)
    exec(CONVERT.split('"')[1])
    assert Factual(str(tmp_path)).graphs([BIRDS]) == [[["birds", "is", "2"]]]


def test_weights_with_holes_and_broken_files_are_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.block.0.layer.0.SelfAttention.q.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"1 tensors are missing, such as encoder\.block"):
        _ = Factual(str(tmp_path)).loaded
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="cannot be used"):
        _ = Factual(str(tmp_path)).loaded


def test_layers_that_are_not_used_and_values_that_are_nan_are_rejected(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_layers": 1}))
    with pytest.raises(UserError, match=r"has more layers than config\.json states: encoder\.block\.1\.layer\.0"):
        _ = Factual(str(tmp_path)).loaded
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    weights["shared.weight"][0] = torch.nan
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"model\.safetensors is damaged: shared\.weight has values that are NaN"):
        _ = Factual(str(tmp_path)).loaded


def test_an_output_layer_of_its_own_is_kept(folder, tmp_path):
    """Flan-T5 has one, unlike the first T5, and transformers ties the two unless it finds them different."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = -weights["shared.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    _, model = Factual(str(tmp_path)).loaded
    assert torch.equal(model.lm_head.weight, weights["lm_head.weight"])
    assert torch.equal(model.encoder.embed_tokens.weight, weights["shared.weight"])


def test_jsonl_by_the_command(folder, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"caption": BIRDS}) + "\n")
    arguments = ["parse", "--jsonl", str(source), str(target), "--annotator", "factual", "--model"]
    assert hspcgan(*arguments, str(folder)).exit_code == 0
    assert json.loads(target.read_text()) == {"caption": BIRDS, "tuples": [["birds", "is", "2"]]}
    refused = hspcgan(*arguments, str(tmp_path))
    assert refused.exit_code == 3
    assert "config.json, model.safetensors" in refused.output


def test_a_cache_is_prepared_and_keeps_its_promises(folder, tmp_path, tiny_clip_path):
    for n, caption in enumerate(world.TAUGHT):
        write(tmp_path / "data" / f"{n}.png", picture(n))
        write(tmp_path / "data" / f"{n}.txt", caption.encode())
    path = manifest(tmp_path / "small.yaml", tmp_path / "data", tiny_clip_path)
    own = ["parse.annotator=factual", f"parse.model={folder}"]
    prepare(load_manifest(str(path), own))
    cache = path.with_suffix(".cache")
    validate(cache)
    parser = Cache(cache).info["parser"]
    assert parser["annotator"] == "factual"
    assert parser["alignment"] == {
        "factual_cut": 0, "factual_dropped": 0, "factual_malformed": 1, "factual_unlocated": 1,
        "factual_unworded": 1, "noun_chunk_fallback": 1,
    }  # fmt: skip
    assert "parser, over unique captions" in statistics(Cache(cache))
