"""Odd environments: variables of launchers, closed streams, other encodings, held locks, full and read-only disks."""

import errno
import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack

import h5py
import pytest
from helpers.cli import MAIN, hspcgan, hspcgan_process
from helpers.corpus import COMMANDS, assert_told, placed

from hspcgan.evaluate.scored.drawings import process
from hspcgan.train.distributed import planned_world
from hspcgan.train.process import wait_for_processes

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK"])
@pytest.mark.parametrize("value", ["", "x", "1.5", "-1", "9" * 40, " 1", "٣", "7"])
def test_a_launchers_variable_is_named_or_as_if_it_were_not_set(monkeypatch, name, value):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv(name, value)
    for read in (lambda: planned_world("cpu"), process):
        if value == "" or (name, value) == ("WORLD_SIZE", "7"):
            read()
        else:
            with pytest.raises(ValueError, match=rf"^{name} is '.*', expected a number from .* unset {name}$"):
                read()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize(
    ("rank", "whom"), [(0, "process 1, 2 of 3"), (1, r"process 0 at 127\.0\.0\.1:\d+ \(.*refused\)")]
)
def test_a_process_that_waits_says_for_whom_and_gives_up(monkeypatch, caplog, rank, whom):
    monkeypatch.setattr(wait_for_processes, "LIMIT_SEC", 0.5)
    monkeypatch.setattr(wait_for_processes, "SAID_EVERY_SEC", 0.1)
    caplog.set_level("INFO")
    with pytest.raises(ValueError, match=f"{whom} did not connect within"):
        wait_for_processes.wait_for_processes(rank, 3, "127.0.0.1", free_port())
    assert "waiting for process" in caplog.text


@pytest.mark.parametrize("address", ["absent.invalid", "x" * 70])
def test_process_0_rejects_an_address_that_no_machine_has(address):
    with pytest.raises(ValueError, match=rf"^{address}:\d+ cannot be used .*; set another MASTER_ADDR"):
        wait_for_processes.wait_for_processes(0, 2, address, free_port())


WAIT = """
import sys
from hspcgan.train.process.wait_for_processes import wait_for_processes
from hspcgan.train.process.signals import received_signals, default_signals
with received_signals() as received, default_signals(received):
    print("waits", flush=True)
    wait_for_processes(0, 2, "127.0.0.1", int(sys.argv[1]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_waits_for_others_can_be_stopped(number):
    waiting = [sys.executable, "-c", WAIT, str(free_port())]
    with subprocess.Popen(waiting, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "waits\n"
        started.send_signal(number)
        assert started.wait(20) == -number


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-", "> /dev/full", "2> /dev/full", "| true"])
def test_closed_and_full_streams_are_no_bug(tmp_path, closed):
    """The command writes its file whichever streams it has; nothing that it prints gets into that file."""
    shell = f'"$0" -c "{MAIN}" manifests toybirds --out m.yaml {closed}'
    done = subprocess.run(
        ["bash", "-c", shell, sys.executable], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "Broken pipe" not in done.stderr
    assert ("No space left on device: 'standard output'" in done.stderr) == (closed == "> /dev/full")
    assert (tmp_path / "m.yaml").read_text(encoding="utf-8").startswith("#")
    assert "next: hspcgan" not in (tmp_path / "m.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "code"), [("run", 0), ("nowhere", 3)])
def test_a_log_on_a_full_disk_ends_no_command_and_changes_no_exit_code(world, name, code):
    """The first logs that it opens the cache of the run; the second is an error."""
    shell = f'"$0" -c "{MAIN}" stats {world / name} 2> /dev/full'
    done = subprocess.run(["bash", "-c", shell, sys.executable], capture_output=True, text=True, check=False)
    assert (done.returncode, "rows " in done.stdout) == (code, code == 0)


@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_characters_that_an_encoding_lacks_end_no_command(variables):
    done = hspcgan_process("manifests", **variables)
    out, said = done.communicate(timeout=60)
    assert (done.returncode, said) == (0, "")
    assert "36 rows of the paper's tables" in out


def test_a_path_that_the_encoding_lacks_is_one_error_with_the_fix(tmp_path):
    (tmp_path / "m.yaml").write_text("data: {source: folder, path: /dätä}", encoding="utf-8")
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = hspcgan_process("prepare", tmp_path / "m.yaml", "--dry-run", **variables)
    said = done.communicate(timeout=60)[1]
    assert done.returncode == 3, said
    assert "has characters that file names cannot have in this locale" in said
    assert "PYTHONUTF8=1" in said


def test_a_caption_that_the_encoding_lacks_is_one_error_with_the_fix():
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = hspcgan_process("sample", "ein rotes Vögelchen", "--dry-run", **variables)
    said = done.communicate(timeout=60)[1]
    assert (done.returncode, "not valid Unicode" in said, "set PYTHONUTF8=1" in said) == (3, True, True), said


def test_a_cache_whose_files_another_process_holds_is_read(world):
    with ExitStack() as held:
        for path in (world / "cache").glob("*.h5"):
            fcntl.flock(held.enter_context(path.open("rb")), fcntl.LOCK_EX)
        for command in (
            ("stats", world / "cache"),
            ("validate", world / "cache"),
            ("train", world / "manifest.yaml", "--dry-run"),
        ):
            result = hspcgan(*command)
            assert result.exit_code == 0, result.output


@pytest.mark.parametrize("number", [37, 38, 95, 524, 13, 11])
def test_a_lock_that_fails_is_told_as_a_lock(world, monkeypatch, number):
    def fails(*arguments, **options):
        raise BlockingIOError(
            f"[Errno {number}] Unable to synchronously open file (unable to lock file, errno = {number})"
        )

    monkeypatch.setattr(h5py, "File", fails)
    result = hspcgan("stats", world / "cache")
    assert_told(result, "is locked by another process, or its file system has no locks", "HDF5_USE_FILE_LOCKING=FALSE")
    assert "rebuild" not in result.output


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.EMFILE])
def test_a_file_that_cannot_be_read_for_now_is_not_told_as_damaged(world, monkeypatch, number):
    def fails(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(h5py, "File", fails)
    result = hspcgan("stats", world / "cache")
    assert_told(result, os.strerror(number), ".h5")
    assert "rebuild" not in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_without_room_says_so_and_leaves_nothing_unfinished(world, tmp_path, tiny_clip_path, name):
    """By a limit on the size of files; `test_a_full_disk` has a real one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
        result = hspcgan(*placed(COMMANDS[name], world=world, out=tmp_path, clip=tiny_clip_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_told(result, "raise the limit on the size of files (ulimit -f) and run the same command again", codes={3})
    assert [path for path in tmp_path.rglob("*") if ".partial" in path.name or ".old" in path.name] == []


@pytest.mark.parametrize("kilobytes", [400, 7000])
def test_a_full_disk(world, disk, kilobytes):
    folder = disk(kilobytes)
    for command in (COMMANDS["copy"], COMMANDS["train"]):
        result = hspcgan(*placed(command, world=world, out=folder))
        if result.exit_code:
            assert_told(result, "No space left on device", "free some space and run the same command again", codes={3})
    assert [path for path in folder.rglob("*.partial") if path.name != "copy.partial"] == []


def test_a_finished_run_on_a_read_only_disk_is_looked_at(world, disk, tmp_path, tiny_clip_path):
    folder = disk(60_000)
    subprocess.run(["cp", "-r", world / "run", world / "cache", folder], check=True)
    disk("ro")
    keys = ("-o", f"run={folder}/run", "-o", f"cache={folder}/cache")
    for command in (("train", world / "manifest.yaml", *keys), ("report", folder / "run", "--out", tmp_path / "page.html"), ("stats", folder / "cache"),
                    ("validate", folder / "cache"), ("sample", "a bird", "--checkpoint", folder / "run", "--clip", tiny_clip_path, "--out", tmp_path / "s")):  # fmt: skip
        result = hspcgan(*command)
        assert result.exit_code == 0, (command, result.output)
    for command in (("train", world / "manifest.yaml", *keys, "-o", "train.steps=3"), ("export", folder / "cache", folder / "new"), ("report", folder / "run"),
                    ("train", world / "manifest.yaml", "-o", f"run={folder}/new"), ("evaluate", world / "manifest.yaml", *keys)):  # fmt: skip
        assert_told(hspcgan(*command), codes={3})


def test_without_a_folder_for_temporary_files_the_fix_is_named(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])
    told = hspcgan("doctor")
    assert_told(told, "no folder for temporary files can be written, tried ['/nowhere']", "or set TMPDIR", codes={3})


def test_a_current_folder_that_was_removed_is_named(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for command in (("doctor",), ("manifests", "toybirds", "--out", "m.yaml")):
        assert_told(hspcgan(*command), "the current folder has been removed; change to another folder", codes={3})
