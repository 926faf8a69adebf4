#!/usr/bin/env python3
"""One matrix product at a time beside ONNX Runtime: a model of a single MatMul with a bias for each pair of extents.

    products.py SARDONYX [--rows 8,16,32,128,512] [--layers N] [--threads N] [--isa NAME]

Prints, for each number of rows and each weight [k, n], the ratio, the rates of both sides and the fraction of the ceiling.
A single weight stays in the caches; with more layers, of k x n and n x k in turns, weights come from memory as they do in
a model.
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

EXTENTS = [(768, 768), (768, 3072), (3072, 768), (512, 2048), (384, 1536)]


def write_model(file, k, n, layers):
    """y = x w + b with x [rows, k], once for each layer; every other one goes back from n to k."""
    random = np.random.default_rng(k * n)
    graph = onnx_writer.GraphWriter("product")
    graph.input("x", onnx_writer.FLOAT, ["rows", k])
    value = "x"
    for layer in range(layers):
        weight = graph.weight(f"w{layer}", (random.standard_normal((k, n)) / np.sqrt(k)).astype(np.float32))
        bias = graph.weight(f"b{layer}", random.standard_normal(n).astype(np.float32))
        graph.node("MatMul", f"product{layer}", [value, weight], outputs=[f"xw{layer}"])
        value = "y" if layer + 1 == layers else f"y{layer}"
        graph.node("Add", f"sum{layer}", [f"xw{layer}", bias], outputs=[value])
        k, n = n, k
    graph.output("y", onnx_writer.FLOAT, ["rows", k])
    file.write_bytes(graph.model(17, "sardonyx products"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("sardonyx")
    parser.add_argument("--rows", default="8,16,32,128,512")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--threads", default="2")
    parser.add_argument("--isa", default="auto")
    flags = parser.parse_args()
    if not Path(flags.sardonyx).is_file():
        parser.error(f"there is no '{flags.sardonyx}'; ./dev demo builds it")
    if flags.layers < 1:
        parser.error(f"--layers is {flags.layers} but must be at least 1")
    print("| rows | k | n | ratio | quartiles | GFLOP/s | ONNX Runtime | of ceiling |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "product.onnx"
        for k, n in EXTENTS:
            if flags.layers > 1 and k > n:
                continue
            write_model(file, k, n, flags.layers)
            for rows in flags.rows.split(","):
                command = [flags.sardonyx, "compare", str(file), "--shape", f"x={rows}x{k}", "--threads", flags.threads,
                           "--isa", flags.isa, "--no-memory", "--seconds", "4", "--json"]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    sys.exit(done.stderr)
                row = json.loads(done.stdout)
                operations = 2e-9 * int(rows) * k * n * flags.layers
                ours, peer = (operations / (row[side]["median"] / 1e3) for side in ("ours_ms", "peer_ms"))
                ratio = row["ratio"]
                print(f"| {rows} | {k} | {n} | {ratio['median']:.2f} | {ratio['first']:.2f} – {ratio['third']:.2f} | "
                      f"{ours:.0f} | {peer:.0f} | {ours * 1e9 / row['ceiling']['flops']:.0%} |", flush=True)


if __name__ == "__main__":
    main()
