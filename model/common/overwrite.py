"""Refuses to overwrite a user's files in a folder that a command writes."""

from collections.abc import Sequence
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.validation import first_lines


def require_ours(folder: Path, found: Sequence[str], is_ours: bool, evidence: str, other: str) -> None:
    """Raises UserError for existing files that a command would overwrite, unless it wrote them earlier.

    Args:
        folder: folder with the files.
        found: names of the existing files.
        is_ours: whether the command wrote the folder earlier, judged by `evidence`.
        evidence: what every earlier run of the command leaves in the folder, for the message.
        other: the key or option that selects another folder, for the message.
    """
    if found and not is_ours:
        raise UserError(
            f"{folder} contains {', '.join(first_lines(sorted(found), 5))}, but no {evidence}, so these files are not "
            f"from an earlier run and would be overwritten; move them away, or give another {other}"
        )
