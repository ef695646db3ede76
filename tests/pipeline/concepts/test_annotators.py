"""Annotators: spaCy's trees as UD against UD's guidelines, stanza by path and offline, one form of token from both."""

import json
import re
import shutil
import socket
from importlib import resources
from pathlib import Path

import pytest
import stanza.utils.conll
import torch
from helpers.concepts import spoken
from stanza.resources import common

from hspcgan.pipeline.concepts import ParseConfig, Parser, Token, concepts_from_tokens
from hspcgan.pipeline.concepts.annotate import to_ud
from hspcgan.pipeline.concepts.annotate.spacy import installed_model, load_spacy, spacy_identity
from hspcgan.pipeline.concepts.annotate.stanza import Stanza, tokens
from hspcgan.pipeline.concepts.editable_tree import ParseEdit


@pytest.fixture(scope="module")
def parser() -> Parser:
    return Parser(ParseConfig(annotator="spacy"))


# One case per label of the table that the rules read: CLEAR label, caption, word, UD relation, its head.
LABEL_CASES = [
    ("nsubj", "the bird sits on a branch", "bird", "nsubj", "sits"),
    ("nsubjpass", "the ball is held by a man", "ball", "nsubj:pass", "held"),
    ("auxpass", "the ball is held by a man", "is", "aux:pass", "held"),
    ("aux", "a bird is flying", "is", "aux", "flying"),
    ("agent", "the ball is held by a man", "by", "case", "man"),
    ("pobj", "the ball is held by a man", "man", "obl:agent", "held"),
    ("pobj", "the bird sits on a branch", "branch", "obl", "sits"),
    ("pobj", "a bird with a beak", "beak", "nmod", "bird"),
    ("prep", "a bird with a beak", "with", "case", "beak"),
    ("dobj", "this bird has a beak", "beak", "obj", "has"),
    ("acomp", "the bird is yellow", "yellow", "root", ""),
    ("ROOT", "the bird is yellow", "is", "cop", "yellow"),
    ("acomp", "the man looks happy", "happy", "xcomp", "looks"),
    ("attr", "the bird is a sparrow", "sparrow", "root", ""),
    ("attr", "there is a bird on the branch", "bird", "nsubj", "is"),
    ("expl", "there is a bird on the branch", "there", "expl", "is"),
    ("relcl", "a bird that has a beak", "has", "acl:relcl", "bird"),
    ("relcl", "a bird that is yellow", "is", "cop", "yellow"),
    ("acl", "a man wearing a hat", "wearing", "acl", "man"),
    ("poss", "a man's hat", "man", "nmod:poss", "hat"),
    ("case", "a man's hat", "'s", "case", "man"),
    ("amod", "a red bird", "red", "amod", "bird"),
    ("nummod", "two birds sit on a branch", "two", "nummod", "birds"),
    ("compound", "a cocktail party", "cocktail", "compound", "party"),
    ("det", "a red bird", "a", "det", "bird"),
    ("conj", "a bird with a crest, a collar and a beak", "beak", "conj", "crest"),
    ("cc", "a man and a woman", "and", "cc", "woman"),
    ("prt", "a man picks up a ball", "up", "compound:prt", "picks"),
    ("neg", "the bird is not red", "not", "advmod", "red"),
    ("advmod", "a man stands next to a tree", "next", "advmod", "stands"),
    ("xcomp", "a boy trying to catch a ball", "catch", "xcomp", "trying"),
    ("advcl", "a man smiles while holding a ball", "holding", "advcl", "smiles"),
]


@pytest.mark.parametrize(("label", "caption", "word", "deprel", "head"), LABEL_CASES)
def test_clear_labels_become_universal_dependencies(parser, label, caption, word, deprel, head):
    doc = parser.nlp(caption)
    tokens = to_ud.to_ud(ParseEdit.of_doc(doc))
    at = next(t.i for t in reversed(doc) if t.text == word and t.dep_ == label)
    assert tokens[at].deprel == deprel
    assert (tokens[tokens[at].head].text if tokens[at].head >= 0 else "") == head


def test_table_names_every_label_of_the_parser(parser):
    same = "acl advcl advmod amod appos aux case cc ccomp compound conj csubj dep det expl mark nsubj nummod parataxis"
    assert set(parser.nlp.get_pipe("parser").labels) == {*to_ud.LABELS, *same.split(), "nmod", "punct", "xcomp"}


# As Universal Dependencies' English treebanks analyse them: form, lemma, upos, xpos, head, deprel, characters, NER.
TREEBANK = """\
John John PROPN NNP 6 nsubj 0 4 S-PERSON
and and CCONJ CC 4 cc 5 8 O
his his PRON PRP$ 4 nmod:poss 9 12 O
wife wife NOUN NN 1 conj 13 17 O
are be AUX VBP 6 aux 18 21 O
attending attend VERB VBG 0 root 22 31 O
a a DET DT 9 det 32 33 O
cocktail cocktail NOUN NN 9 compound 34 42 O
party party NOUN NN 6 obj 43 48 O
. . PUNCT . 6 punct 48 49 O

The the DET DT 2 det 50 53 O
party party NOUN NN 5 nsubj 54 59 O
is be AUX VBZ 5 cop 60 62 O
not not PART RB 5 advmod 63 66 O
loud loud ADJ JJ 0 root 67 71 O
on on ADP IN 8 case 72 74 O
a a DET DT 8 det 75 76 O
hill hill NOUN NN 5 obl 77 81 O
"""


def conllu(rows: str) -> str:
    """TREEBANK's rows as CoNLL-U, with characters and NER where stanza writes them."""
    sentences = []
    for sentence in rows.strip().split("\n\n"):
        lines = []
        for number, row in enumerate(sentence.splitlines(), start=1):
            form, lemma, upos, xpos, head, deprel, start, end, ner = row.split()
            misc = f"start_char={start}|end_char={end}|ner={ner}"
            lines.append("\t".join([str(number), form, lemma, upos, xpos, "_", head, deprel, "_", misc]))
        sentences.append("\n".join(lines))
    return "\n\n".join(sentences) + "\n\n"


def test_stanza_sentences_are_joined_and_read_by_the_same_rules():
    found = tokens(stanza.utils.conll.CoNLL.conll2doc(input_str=conllu(TREEBANK)))
    assert [t.head for t in found] == [5, 3, 3, 0, 5, -1, 8, 8, 5, 5, 11, 14, 14, 14, -1, 17, 17, 14]
    assert found[17] == Token("hill", "hill", "NOUN", "NN", 14, "obl", 77, 81)
    assert found[0].ner == "PERSON"
    read = spoken(concepts_from_tokens(found))
    assert read["entities"] == ["person john", "wife", "party", "party", "hill"]
    assert read["attributes"] == ["cocktail (party)", "not loud (party)"]
    attending = ["attend (john, party)", "attend (wife, party)"]
    assert read["relations"] == ["and (john, wife)", *attending, "on (party, hill)"]


def test_toy_stanza_loads_by_path_without_network(monkeypatch):
    def refused(*_args, **_options):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "socket", refused)
    annotator = Stanza(str(resources.files("hspcgan.pipeline.assets") / "toy-stanza"))
    texts = ["a large yellow bird with a blue belly is perched on a branch", "", "a red bird with\n\na short beak"]
    first, blank, broken = annotator.annotate(texts)
    assert blank == []
    assert [t.text for t in broken] == texts[2].split()
    assert [texts[2][t.start : t.end] for t in broken] == texts[2].split()
    assert spoken(concepts_from_tokens(first)) == {
        "entities": ["bird", "belly", "branch"],
        "attributes": ["large (bird)", "yellow (bird)", "blue (belly)"],
        "relations": ["with (bird, belly)", "perch on (bird, branch)"],
    }
    assert annotator.annotate([texts[2]])[0] == broken


def test_stanza_folder_without_its_files_is_refused(tmp_path):
    (tmp_path / "pos.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"tokenize\.pt, lemma\.pt, depparse\.pt missing"):
        Stanza(str(tmp_path))


def test_stanzas_english_is_known_by_the_contents_of_what_it_loads_wherever_that_lies(tmp_path, monkeypatch):
    toy = Path(str(resources.files("hspcgan.pipeline.assets") / "toy-stanza"))
    names = ("tokenize", "pos", "lemma", "depparse")
    for name in names:
        (tmp_path / "en" / name).mkdir(parents=True)
        shutil.copy(toy / f"{name}.pt", tmp_path / "en" / name / "toy.pt")
    listing = {"lang_name": "English", "packages": {"default": dict.fromkeys(names, "toy")}}
    listing |= {name: {"toy": {}} for name in names}
    (tmp_path / "resources.json").write_text(json.dumps({"en": listing}))
    monkeypatch.setattr(common, "DEFAULT_MODEL_DIR", str(tmp_path))
    before = Stanza("en").sha256()
    assert before == Stanza(str(toy)).sha256()
    (tmp_path / "en" / "lemma" / "unused.pt").write_bytes(b"x")
    assert Stanza("en").sha256() == before
    lemma = tmp_path / "en" / "lemma" / "toy.pt"
    torch.save({**torch.load(lemma, weights_only=True), "trained": "again"}, lemma)
    assert Stanza("en").sha256() != before


def test_a_spacy_folder_is_known_by_its_contents_a_package_by_its_version(tmp_path):
    name = installed_model()
    package = load_spacy(name)
    assert re.fullmatch(r"en_\w+ [\d.]+", spacy_identity(package, name))
    package.to_disk(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    folders = [str(tmp_path / "one"), str(tmp_path / "two")]
    one, two = (load_spacy(folder) for folder in folders)
    known = spacy_identity(one, folders[0])
    assert known.startswith(spacy_identity(package, name) + " ")
    assert known == spacy_identity(two, folders[1])
    with open(tmp_path / "two" / "parser" / "model", "ab") as file:
        file.write(b"x")
    assert known != spacy_identity(two, folders[1])


def test_unknown_spacy_model_is_refused_with_the_mending_command():
    with pytest.raises(ValueError, match=r"no_such_model.*pip install.*parse\.model"):
        load_spacy("no_such_model")
