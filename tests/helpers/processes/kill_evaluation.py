"""Runs `hspcgan evaluate` in forked children that end themselves in a stage: python kill_evaluation.py MANIFEST.

Packages are imported once, before the forks. Each line on stdin is JSON: `run` (the run folder), and `stage` with
`signal`, at which the child sends itself that signal, or `processes`, which share the drawing as torchrun's do. For
each line a JSON list comes back: each child's exit code (negative: ended by that signal), and the captions it drew.
"""

import json
import os
import sys

import cleanfid.fid  # noqa: F401  (commands import it where they need it: here once, before the forks)

from hspcgan.evaluate import run
from hspcgan.evaluate.results import write_record
from hspcgan.evaluate.scored import drawings, images, scorers
from hspcgan.evaluate.scored.score_store import ScoreStore
from hspcgan.pipeline.cli.root import main as hspcgan

STAGES = {  # where each stage is interrupted: the function whose `after`-th call ends the process
    "draw": (drawings, "generate", 2),
    "features": (scorers.ClipScorer, "image_features", 3),
    "score": (ScoreStore, "of", 4),
    "verdict": (run, "judge", 1),
    "page": (write_record, "rows", 1),
}
BATCH = 2


def child(manifest: str, order: dict, rank: int, drawn: int) -> None:
    """Never returns."""
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    generate, draw = drawings.generate, []

    def noted(*arguments):
        os.write(drawn, b"\n".join([*(one.encode() for one in arguments[2]), b""]))
        draw.append(0)
        return generate(*arguments)

    drawings.generate = noted
    if "stage" in order:
        place, name, after = STAGES[order["stage"]]
        setattr(place, name, ending(getattr(place, name), after, order["signal"]))
    if "processes" in order:
        os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(order["processes"])}
    try:
        hspcgan(["evaluate", manifest, "-o", f"run={order['run']}", "--checkpoint", "drawn"], standalone_mode=True)
    except SystemExit as end:
        os._exit(end.code or 0)
    os._exit(0)


def ending(function, after: int, signal: int):
    """The function; its `after`-th call sends this process a signal instead."""
    calls = []

    def wrapped(*arguments, **named):
        calls.append(0)
        if len(calls) == after:
            os.kill(os.getpid(), signal)
        return function(*arguments, **named)

    return wrapped


def main() -> None:
    drawings.BATCH = images.BATCH = scorers.BATCH = BATCH
    for line in sys.stdin:
        order, children = json.loads(line), []
        for rank in range(order.get("processes", 1)):
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                child(sys.argv[1], order, rank, write)
            os.close(write)
            children.append((pid, read))
        ended = []
        for pid, read in children:
            with os.fdopen(read) as drawn:
                captions = drawn.read().split()
            ended.append([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), captions])
        print(json.dumps(ended), flush=True)


if __name__ == "__main__":
    main()
