#!/usr/bin/env python3
"""Imports a file of 1 GiB from the disk and from a web server of the same machine, in turn.

    cargo build --release
    python3 -m venv ~/peers && ~/peers/bin/pip install -r benches/peers/requirements.txt
    ~/peers/bin/python benches/locations.py --data ~/peers/data

The server is nginx (it must be installed) on a free port of the loopback; it takes its share of the
cores. Rounds go local, http, local, http, after one that does not count. Told are wall and CPU seconds
and peak memory of each run, the CPU seconds of nginx, and the ratio of the walls of each round.
The script fails if the median ratio is above 1.4, if a run holds more than the memory limit allows,
or if the tables differ.

    --file PATH      another file of lineitem, with a header
    --scheme LIST    local,http (the default), whole for a server without ranges
"""

import argparse
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benches/peers"))

import workload  # noqa: E402
from measure import Run, remove, run_process, warm  # noqa: E402

MOST = 1.4
"""The ratio of the walls that must be kept."""

PEAK = 256 + 192
"""What a run may hold, in MiB: `--memory` at its default and what is beyond it."""

SCALE = 1.43
"""The scale factor at which lineitem.csv has 1 GiB."""

SETTINGS = """
daemon off;
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/error.log;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        location /whole/ {{ alias {root}/; max_ranges 0; }}
    }}
}}
"""


class Nginx:
    """A web server that serves a directory."""

    def __init__(self, work: pathlib.Path, root: pathlib.Path) -> None:
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        if not os.access(program, os.X_OK):
            sys.exit("nginx is not installed: apt-get install nginx")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        user = "user root;" if os.geteuid() == 0 else ""
        settings = work / "nginx.conf"
        settings.write_text(SETTINGS.format(work=work, root=root, port=self.port, user=user))
        self.process = subprocess.Popen(
            [program, "-p", str(work), "-c", str(settings)], stderr=subprocess.DEVNULL
        )
        for _ in range(1200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.close()
        sys.exit(f"nginx does not answer: see {work}/error.log")

    def cpu(self) -> float:
        """Returns the CPU seconds that its processes have used so far."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        ticks = 0
        for pid in [str(self.process.pid), *children.read_text().split()]:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait()


def literal(text: str) -> str:
    """Returns a string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def load(wharf: pathlib.Path, url: str, work: pathlib.Path) -> tuple[Run, str]:
    """Imports a file into a new database; returns what it cost, and what tells the table."""
    database, temporary = work / "database", work / "temp"
    remove(database)
    remove(temporary)
    words = [str(wharf), "--no-init", "--quiet", "--format", "csv", str(database)]
    statement = (f"IMPORT TABLE lineitem ({workload.elements(True, '')}) CSV DATA ({literal(url)}) "
                 f"WITH temp = {literal(str(temporary))}, header = 'skip'")
    os.sync()
    run = run_process([*words, "-e", "SET CLUSTER SETTING experimental.importcsv.enabled = true",
                       "-e", statement]).run
    return run, run_process([*words, "-e", workload.CHECK]).output


def main() -> None:
    """Measures, prints, and fails if a limit is not kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    path = pathlib.Path
    parser.add_argument("--data", type=path, required=True, help="where files are made")
    parser.add_argument("--file", type=path)
    parser.add_argument("--wharf", type=path, default=ROOT / "target/release/wharf")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scheme", default="local,http")
    options = parser.parse_args()
    data = options.data.resolve()
    file = (options.file or data / f"scale-{SCALE}" / "lineitem.csv").resolve()
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        workload.generate(file.parent, SCALE)
    work = data / "locations-work"
    remove(work)
    work.mkdir(parents=True)
    warm([file])
    nginx = Nginx(work, file.parent)
    base = f"http://127.0.0.1:{nginx.port}"
    urls = {"local": str(file), "http": f"{base}/{file.name}",
            "whole": f"{base}/whole/{file.name}"}
    schemes = options.scheme.split(",")
    runs: dict[str, list[Run]] = {scheme: [] for scheme in schemes}
    tables: set[str] = set()
    print(f"{file.stat().st_size / (1 << 30):.2f} GiB, {len(os.sched_getaffinity(0))} cores")
    try:
        for number in range(options.rounds + 1):
            for scheme in schemes:
                before = nginx.cpu()
                run, table = load(options.wharf.resolve(), urls[scheme], work)
                tables.add(table)
                print(f"round {number}: {scheme:5} {run.wall:6.2f} s, {run.cpu:6.2f} CPU s "
                      f"(nginx {nginx.cpu() - before:.2f}), {run.peak:.0f} MiB", flush=True)
                if number > 0:
                    runs[scheme].append(run)
    finally:
        nginx.close()
        remove(work)
    judge(runs, tables)


def judge(runs: dict[str, list[Run]], tables: set[str]) -> None:
    """Prints the ratios, and fails if a limit is not kept."""
    faults = [] if len(tables) == 1 else ["the tables differ"]
    first, *others = runs
    for scheme in others:
        ratios = [b.wall / a.wall for a, b in zip(runs[first], runs[scheme], strict=True)]
        median = statistics.median(ratios)
        print(f"{scheme} / {first}: {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        if scheme == "http" and median > MOST:
            faults.append(f"{scheme} takes {median:.2f} times as long, and {MOST} is the limit")
    for scheme, all_runs in runs.items():
        peak = max(run.peak for run in all_runs)
        if peak > PEAK:
            faults.append(f"{scheme} holds {peak:.0f} MiB, and {PEAK} MiB is the limit")
    if faults:
        sys.exit("; ".join(faults))


if __name__ == "__main__":
    main()
