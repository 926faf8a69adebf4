#!/usr/bin/env python3
"""Checks the calls that scripts rely on: contract_test.py SARDONYX MODEL, where MODEL computes y = relu(x)."""
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def npy(values, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(values)}f", *values)


def main():
    program, model = sys.argv[1:3]
    failures = []

    def call(*args, code=0):
        result = subprocess.run([program, *args], capture_output=True, text=True)
        if result.returncode != code:
            failures.append(f"{args}: exit code {result.returncode}, expected {code}: {result.stderr.strip()}")
        return result

    def check(what, condition):
        if not condition:
            failures.append(what)

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "x.npy").write_bytes(npy([-1, 2, -3], (1, 3, 1)))
        call("run", model, "--input", f"x={folder / 'x.npy'}", "--output", str(folder / "y.npz"))
        with zipfile.ZipFile(folder / "y.npz") as archive:
            check("the output of relu", archive.read("y.npy")[-12:] == struct.pack("<3f", 0, 2, 0))
        with zipfile.ZipFile(folder / "in.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", npy([4, -5, 6], (1, 3, 1)))
        report = json.loads(call("run", model, "--inputs", str(folder / "in.npz"), "--repeat", "3", "--json").stdout)
        check("the summary of an output", report["outputs"][0] | {"name": "y", "type": "float32", "max": 6} == report["outputs"][0])
        check("the times of a run", all(report[key] >= 0 for key in ("load_ms", "first_ms", "last_ms")))
        first, second = (call("run", model, "--seed", "7", "--json").stdout.split('"outputs"')[1] for _ in range(2))
        check("the same seed gives the same inputs", first == second)
        (folder / "broken.onnx").write_bytes(b"\x08\x0a\x3a\xff")
        error = json.loads(call("run", str(folder / "broken.onnx"), "--json", code=3).stderr)
        check("the error object", error["kind"] == "InvalidModel" and error["message"] and isinstance(error["where"], list))
        check("one line", call("run", str(folder / "broken.onnx"), code=3).stderr.count("\n") == 1)
        for wrong in (["--no-such-flag"], ["--rules=-no-such-rule"], ["--shape", "x=axb"], ["--input", "x"], ["--isa", "z80"], ["--repeat", "0"]):
            check(f"one line about {wrong}", call("run", model, *wrong, code=2).stderr.count("\n") == 1)
        call("frobnicate", code=2)
        call(code=2)
        call("run", model, "--input", f"x={folder / 'none.npy'}", code=1)
        call("run", model, "--inputs", str(folder / "none.npz"), code=1)
        call("run", model, "--output", str(folder / "none" / "y.npz"), code=1)
        call("run", str(folder / "none.onnx"), code=1)
        call("run", model, "--input", "x=[[[1],[2]]", code=1)
        call("run", model, "--input", "nope=1", code=1)
        check("the sizes by name", "sizes batch" in call("run", model, "--shape", "nope=1", code=1).stderr)
        call("run", model, "--memory-limit", "1b", "--shape", "x=1x3x1", code=4)
        call("run", model, "--shape", "x=1x3x1000000000000", code=4)
        call("test-onnx", str(folder / "none"), code=1)
        (folder / "circle").symlink_to(folder / "circle")
        check("links in a circle", "Internal" not in call("test-onnx", str(folder), "--json", code=1).stderr)
    for failure in failures:
        print("FAIL", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
