"""Lists the checkpoints that the page can use, and keeps the most recently used ones open."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from hspcgan.evaluate.checkpoints import find_checkpoint
from hspcgan.evaluate.playground.studio import Studio
from hspcgan.model.common.errors import UserError

SHIPPED = "toy-hspcgan"
OPEN = 2  # checkpoints held in memory


class Checkpoints:
    """Opens checkpoints by name. Only listed names are accepted, so that a request cannot name arbitrary paths."""

    def __init__(self, chosen: str | None = None, runs: Path = Path("runs"), device: str = "auto") -> None:
        """`chosen` becomes the first name in the list. UserError if it is not a checkpoint."""
        if chosen is not None:
            find_checkpoint(chosen)
            if not is_unicode(chosen):
                raise UserError(f"the name of the checkpoint is not valid Unicode: {chosen!r}; rename its folder")
        self._chosen, self._runs, self._device = chosen, runs, device
        self._open: OrderedDict[Path, Studio] = OrderedDict()

    def names(self) -> list[str]:
        """Lists the chosen and the shipped checkpoint, and runs with a checkpoint up to three levels below `runs`."""
        pointers = [
            found for depth in ("*", "*/*", "*/*/*") for found in self._runs.glob(f"{depth}/checkpoints/latest")
        ]
        # A page in UTF-8 cannot contain a name with other bytes.
        runs = sorted(name for pointer in pointers if is_unicode(name := pointer.parent.parent.as_posix()))
        return list(dict.fromkeys([*([self._chosen] if self._chosen else []), SHIPPED, *runs]))

    def opened(self, name: str) -> Studio | None:
        """Returns the `Studio` of a checkpoint if it is already open, else None; does not open it."""
        try:
            return self._open.get(find_checkpoint(name))
        except (UserError, OSError):
            return None

    def open(self, name: str) -> Studio:
        """Opens a checkpoint; for a run, its latest one. UserError if it cannot be opened."""
        try:
            folder = find_checkpoint(name)
            if folder not in self._open:
                self._open[folder] = Studio(folder, self._device)
        except OSError as error:  # no permission, a link to itself, a failing disk
            raise UserError(f"{name} cannot be opened: {error}") from error
        self._open.move_to_end(folder)
        while len(self._open) > OPEN:
            self._open.popitem(last=False)
        return self._open[folder]


def is_unicode(name: str) -> bool:
    """Returns whether a name can be encoded as UTF-8; a file name with other bytes cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
