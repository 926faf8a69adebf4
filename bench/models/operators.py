#!/usr/bin/env python3
"""One operator at a time beside ONNX Runtime: a model of a single node for each row of operators.json.

    operators.py SARDONYX [--threads N] [--isa NAME] [--below RATIO] [OPERATOR ...]

Prints the ratio and both sides' times for each row, the slowest beside ONNX Runtime last; with operators, only theirs,
and with --below only ratios below it. Inputs are random; constants are given or random too, indices within bounds.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "demo"))
import onnx_writer  # noqa: E402

TYPES = {"f32": np.float32, "f16": np.float16, "i64": np.int64, "bool": np.bool_}


def extents(text):
    return [int(n) for n in text.split("x")]


def constant(text, random):
    """`f32 = 2` or `i64 [0, 1]` as given; `f32 3x4 [small|positive]` and `i64 3x4 below 7` at random."""
    kind, rest = text.split(" ", 1)
    if rest[0] in "=[":
        return np.array(json.loads(rest.lstrip("= ")), TYPES[kind])
    shape, *words = rest.split(" ")
    if words[:1] == ["below"]:
        return random.integers(0, int(words[1]), extents(shape)).astype(TYPES[kind])
    values = random.standard_normal(extents(shape)).astype(TYPES[kind])
    return abs(values) if words == ["positive"] else values * TYPES[kind](0.1) if words == ["small"] else values


def write_model(file, row):
    random = np.random.default_rng(1)
    graph = onnx_writer.GraphWriter("operator")
    names = []
    for i, text in enumerate(row["x"]):
        kind, shape = text.split(" ")
        names.append(graph.input(f"x{i}", onnx_writer.ELEMENT_TYPES[np.dtype(TYPES[kind])], extents(shape)))
    for i, text in enumerate(row.get("w", [])):
        names.append(graph.weight(f"w{i}", constant(text, random)) if text else "")
    outputs = [f"y{i}" for i in range(row.get("outputs", 1))]
    graph.node(row["op"], "node", names, outputs=outputs, **row.get("attributes", {}))
    for name in outputs:
        graph.output_of_any_type(name)
    file.write_bytes(graph.model(row.get("opset", 17), "sardonyx operators"))


def describe(row):
    attributes = " ".join(f"{name}={value}" for name, value in row.get("attributes", {}).items())
    return f"{row['op']} {', '.join(row['x'])} {'; ' + ', '.join(w for w in row['w'] if w) if 'w' in row else ''} {attributes}"


def measure(row, flags, folder):
    file = Path(folder) / "operator.onnx"
    write_model(file, row)
    command = [flags.sardonyx, "compare", str(file), "--threads", flags.threads, "--isa", flags.isa, "--no-memory",
               "--pairs", "9", "--seconds", "2", "--block-ms", "30", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    result = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    if "ratio" not in result:
        sys.exit(f"{describe(row)}: {done.stdout} {done.stderr}")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("sardonyx")
    parser.add_argument("operators", nargs="*")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--isa", default="auto")
    parser.add_argument("--below", type=float, default=float("inf"))
    flags = parser.parse_args()
    if not Path(flags.sardonyx).is_file():
        parser.error(f"there is no '{flags.sardonyx}'; ./dev demo builds it")
    rows = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    unknown = set(flags.operators) - {row["op"] for row in rows}
    if unknown:
        parser.error(f"no rows for {', '.join(sorted(unknown))}; operators.json has them all")
    rows = [row for row in rows if not flags.operators or row["op"] in flags.operators]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for i, row in enumerate(rows):
            if sys.stderr.isatty():
                print(f"\r{i + 1} of {len(rows)}", end="", file=sys.stderr)
            results.append((measure(row, flags, folder), row))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print("| operator | ratio | µs | ONNX Runtime µs | equal |\n|---|---:|---:|---:|---|")
    for result, row in sorted(results, key=lambda pair: -pair[0]["ratio"]["median"]):
        ratio = result["ratio"]["median"]
        if ratio < flags.below:
            print(f"| {describe(row)} | {ratio:.2f} | {result['ours_ms']['median'] * 1e3:.1f} | "
                  f"{result['peer_ms']['median'] * 1e3:.1f} | {'yes' if result['agree'] else 'no'} |")


if __name__ == "__main__":
    main()
