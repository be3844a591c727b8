"""What a process costs, as the operating system accounts for it, and what machine it runs on."""

import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import Any


class ProcessFailed(Exception):
    """A process ended with another code than 0; the text says which and what it wrote."""


@dataclass
class Run:
    """One run of one command.

    `start_wall` and `start_cpu` are the part of `wall` and `cpu` that went into starting Python and
    loading the peer's package; they are 0 where no Python is involved.
    """

    wall: float
    cpu: float
    peak: float
    size: int = 0
    start_wall: float = 0.0
    start_cpu: float = 0.0


@dataclass
class Ended:
    """How a process ended: its cost, and what it wrote."""

    run: Run
    output: str
    errors: str


def run_process(words: list[str], **settings: Any) -> Ended:
    """Runs a command to its end; wall in seconds, CPU in seconds, peak memory in MiB.

    The system counts the peak of a process from that of its parent on, so nothing is known below
    `own_peak()`; whoever calls this must stay small.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, **settings
        )
        try:
            run, code = wait(process, started)
        except BaseException:
            process.kill()
            raise
        output.seek(0)
        errors.seek(0)
        ended = Ended(run, output.read().decode(errors="replace"),
                      errors.read().decode(errors="replace"))
    if code != 0:
        message = (ended.errors.strip() or ended.output.strip())[-1500:]
        raise ProcessFailed(f"{pathlib.Path(words[0]).name} ended with {code}: {message}")
    return ended


def wait(process: subprocess.Popen[bytes], started: float) -> tuple[Run, int]:
    """Waits for a process; returns what it and its own children cost, and its exit code."""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    run = Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    return run, process.returncode


def own_peak() -> float:
    """Returns the peak memory of this process in MiB: the least that `run_process` can tell."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def size_of(path: pathlib.Path) -> int:
    """Returns the bytes of a file, or of all files below a directory."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0


def remove(path: pathlib.Path) -> None:
    """Removes a file or a directory, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def warm(paths: list[pathlib.Path]) -> None:
    """Reads files, so that they are in the page cache."""
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            buffer = bytearray(1 << 20)
            while file.readinto(buffer):
                pass


def machine(work: pathlib.Path) -> dict[str, str]:
    """Describes the machine, and the disk that `work` lies on."""
    information = pathlib.Path("/proc/cpuinfo").read_text()
    lines = [line.partition(":") for line in information.splitlines()]
    fields = {name.strip(): value.strip() for name, found, value in lines if found}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    virtual = "hypervisor" in fields.get("flags", "").split()
    model = fields.get("model name", platform.machine())
    return {
        "processor": f"{model}, {len(os.sched_getaffinity(0))} cores"
        + (", a virtual machine" if virtual else ""),
        "memory": f"{memory:.0f} GiB",
        "disk": disk(work, virtual),
        "kernel": f"{platform.system()} {platform.release()}",
        "date": time.strftime("%Y-%m-%d"),
    }


def disk(path: pathlib.Path, virtual: bool) -> str:
    """Describes the file system of a path and the kind of disk below it."""
    words = ["findmnt", "--json", "--target", str(path), "--output", "FSTYPE,SOURCE"]
    try:
        text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        [mounted] = json.loads(text)["filesystems"]
    except (OSError, subprocess.CalledProcessError, ValueError):
        return "not known"
    device = path.stat().st_dev
    block = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not block.exists():
        return f"{mounted['fstype']}, no disk of its own"
    queue = block / "queue" if (block / "queue").exists() else block.resolve().parent / "queue"
    # A virtual disk says that it turns, whatever is below it.
    turning = (queue / "rotational").read_text().strip() == "1"
    kind = "virtual disk" if virtual else "hard disk" if turning else "solid-state disk"
    return f"{mounted['fstype']} on a {kind}"
