"""Images of a shard beyond the limit of memory are read one by one by the mapper, to the same cache."""

import pytest
from helpers.datasets import folder_dataset, manifest
from helpers.files import file_bytes

from hspcgan.pipeline.manifest import load_manifest
from hspcgan.pipeline.stages import ingest
from hspcgan.pipeline.stages.ingest_items import check_items
from hspcgan.pipeline.stages.prepare import prepare


def prepared(folder, data, clip, **options):
    path = manifest(folder / "m.yaml", data, clip, **options)
    prepare(load_manifest(str(path)))
    return file_bytes(path.with_suffix(".cache"))


@pytest.mark.parametrize("options", [{}, {"processes": 2}, {"store": "png"}])
def test_the_cache_is_the_same(tmp_path, tiny_clip_path, monkeypatch, options):
    data, read = folder_dataset(tmp_path / "data"), []
    whole = prepared(tmp_path / "whole", data, tiny_clip_path, **options)
    monkeypatch.setattr(ingest, "MAX_HELD", 0)
    if not options:  # workers cannot load this function
        monkeypatch.setattr(ingest, "check_items", lambda size, items: read.extend(items) or check_items(size, items))
    assert prepared(tmp_path / "parts", data, tiny_clip_path, **options) == whole
    if not options:
        assert [callable(item) for item in read] == [False] + [True] * 5
