"""The built-in toy birds as a dataset: scenes sampled by seed, drawn at the cache's image size, with five captions."""

from collections.abc import Sequence

from hspcgan.pipeline.sources.base import Entry, Item, require_unique_keys
from hspcgan.pipeline.sources.fingerprints import hash_lines


class ToyBirdsSource:
    """Procedurally drawn birds; nothing is read from disk, so there are no rejects."""

    def __init__(self, scenes: int, seed: int, image_size: int) -> None:
        self.count, self.seed, self.size = scenes, seed, image_size

    def entries(self) -> Sequence[Entry]:
        from hspcgan.pipeline.toybirds.scene import VALIDATION_SHARE, sample_scenes, validation_scenes

        scenes = sample_scenes(self.count, self.seed)
        scenes += validation_scenes(int(self.count * VALIDATION_SHARE), self.seed)
        entries = [Entry(scene.key, scene.split, f"toybirds:{scene.key}", scene) for scene in scenes]
        require_unique_keys(entries)
        return entries

    def read(self, entry: Entry) -> Item:
        from hspcgan.pipeline.toybirds.captions import captions
        from hspcgan.pipeline.toybirds.draw import draw

        scene = entry.ref
        return Item(entry, draw(scene, self.size), tuple(caption.text for caption in captions(scene)))

    def signature(self) -> str:
        return hash_lines([f"{self.count} {self.seed} {self.size}"])
