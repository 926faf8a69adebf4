#!/usr/bin/env python3
"""Files that ONNX Runtime's optimiser has written beside the exports that it read.

    optimised.py SARDONYX [ROW ...] [--threads N]

For each row of rows.json with fixed shapes, but those that take minutes (or those that are named), ONNX Runtime writes
its graph after the extended optimisations; printed are our times for the export and for that file, in turns, and its
ratio beside ONNX Runtime.
Needs ONNX Runtime's package, which `./dev bench` installs.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import bench

ROOT = Path(__file__).resolve().parents[2]
HYDRATED, PEER = ROOT / "build" / "hydrated", ROOT / "build" / "peer" / "node_modules"
TURNS = 5
SHORT = 5  # pairs of a row whose runs do not take seconds
OPTIMISE = """
const ort = require('onnxruntime-node');
const [from, to] = process.argv.slice(1);
ort.InferenceSession.create(from, {graphOptimizationLevel: 'extended', optimizedModelFilePath: to});
"""


def optimise(export, folder):
    """Writes the optimised graph beside links to the weights that it still names; returns its path."""
    to = folder / export.name
    for data in export.parent.glob("*_data"):
        (folder / data.name).hardlink_to(data)
    environment = dict(os.environ, NODE_PATH=str(PEER))
    done = subprocess.run(["node", "-e", OPTIMISE, str(export), str(to)], env=environment, check=False,
                          capture_output=True, text=True)
    if not to.exists():
        sys.exit(f"ONNX Runtime did not write '{to}': {done.stderr}")
    return to


def run_json(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def measure(sardonyx, row, threads):
    shapes = bench.shape_flags(row)
    export = bench.hydrate(row["model"], row["file"], HYDRATED)
    with tempfile.TemporaryDirectory(dir=HYDRATED) as folder:
        files = [export, optimise(export, Path(folder))]
        times = [[], []]
        for turn in range(TURNS):
            for i in (0, 1) if turn % 2 == 0 else (1, 0):
                command = [sardonyx, "bench", str(files[i]), "--threads", threads, "--seconds", "1", "--json", *shapes]
                times[i].append(run_json(command)["p50_ms"])
        beside = run_json([sardonyx, "compare", str(files[1]), "--threads", threads, "--no-memory", "--seconds", "6",
                           "--json", *shapes])
    plain, optimised = map(statistics.median, times)
    print(f"| {row['row']} | {plain:.2f} | {optimised:.2f} | {beside['ratio']['median']:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("sardonyx")
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--threads", default="2")
    flags = parser.parse_args()
    for needed in (Path(flags.sardonyx), PEER):
        if not needed.exists():
            parser.error(f"there is no '{needed}'; ./dev bench makes it")
    rows = [r for r in json.loads((ROOT / "bench" / "models" / "rows.json").read_text()) if "shapes" in r or "text" in r]
    unknown = set(flags.rows) - {r["row"] for r in rows}
    if unknown:
        parser.error(f"rows.json has no row with shapes named {', '.join(sorted(unknown))}")
    print("| row | export, ms | optimised, ms | ratio |\n|---|---:|---:|---:|")
    for row in rows:
        if row["row"] in flags.rows or (not flags.rows and row["pairs"] >= SHORT):
            measure(flags.sardonyx, row, flags.threads)


if __name__ == "__main__":
    main()
