"""Guards the folder of a run or a study: nothing is overwritten there that hspcgan did not write."""

from dataclasses import dataclass
from pathlib import Path

from hspcgan.model.common.files import require_file_or_free, require_folder_or_free
from hspcgan.model.common.overwrite import require_ours
from hspcgan.model.common.user_files import open_regular
from hspcgan.pipeline.cache.lock import LOCK
from hspcgan.train.process.run_lock import HELD_BY


@dataclass(frozen=True)
class Layout:
    """The paths that a command uses in its folder, relative to this folder; `files` and `marks` are patterns."""

    folders: tuple[str, ...]
    files: tuple[str, ...]  # overwritten or deleted by the command
    marks: tuple[str, ...]  # a file of these shows that the command wrote the folder, as does a lock


RUN = Layout(
    folders=("checkpoints", "evaluation", "evaluation/kept", "evaluation/steps", "grids", "tensorboard"),
    files=("manifest.yaml", "log.jsonl", "evaluations.jsonl", "grids/captions.tsv", "grids/step-*.png",
           "checkpoints/latest", "checkpoints/best", "checkpoints/step-*"),
    marks=("checkpoints/step-*/state.pt",),
)  # fmt: skip
STUDY = Layout(
    folders=("manifests", "runs", "results", "report"),
    files=("manifest.yaml", "manifests/*.yaml", "report/[!.]*"),
    marks=("runs/*/study.log", "report/study.json"),
)


def require_own_folder(folder: Path, layout: Layout, is_ours: bool = False) -> None:
    """Raises UserError if the folder has the user's own files under names in `layout`, or files in place of folders.

    Files are the user's unless `is_ours`, or the folder has a lock of hspcgan or one of `layout.marks`.
    """
    for name in layout.folders:
        require_folder_or_free(folder / name)
    for pattern in layout.files:
        if "*" not in pattern:
            require_file_or_free(folder / pattern)
    found = [path.relative_to(folder).as_posix() for pattern in layout.files for path in folder.glob(pattern)]
    is_ours = is_ours or _has_lock(folder) or any(True for mark in layout.marks for _ in folder.glob(mark))
    require_ours(folder, found, is_ours, f"file `{LOCK}` of hspcgan", "`run:` folder")


def _has_lock(folder: Path) -> bool:
    try:
        with open_regular(folder / LOCK) as file:
            return file.read(len(HELD_BY)) == HELD_BY.encode()
    except OSError:
        return False
