"""Guards the loading of a model by a library: its errors become one message with the fix."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hspcgan.model.common.errors import UserError
from hspcgan.model.common.user_files import kind_of
from hspcgan.model.common.validation import shortened

LONGEST = 200  # characters of a library's message that are shown


@contextmanager
def loading(model: str | Path, files: Iterable[Path], fix: str) -> Iterator[None]:
    """Raises UserError, with the fix, if the block cannot load or use the model with these files.

    The libraries do not document what they raise for a damaged file, and a file that is a pipe would block them.
    """
    if odd := next((path for path in files if not path.is_file() and not path.is_dir()), None):
        raise UserError(f"{odd} is {kind_of(odd)}, expected a regular file; {fix}")
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
        reason = reason.partition(". ")[0]  # further sentences can advise to load pickles, which run code
        raise UserError(f"{model} cannot be used ({shortened(reason, LONGEST)}); {fix}") from error
