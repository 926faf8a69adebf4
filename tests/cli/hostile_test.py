#!/usr/bin/env python3
"""Models that ask for too much, and models that `optimize` must spell in another way: hostile_test.py SARDONYX."""
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

FLOAT, INT64, BOOL = 1, 7, 9


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def field(tag, value):
    if isinstance(value, int):
        return varint(tag << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(tag << 3 | 2) + varint(len(data)) + data


def attribute(name, value):
    if isinstance(value, bytes):
        return field(1, name) + field(6, value) + field(20, 5)
    return field(1, name) + field(3, value) + field(20, 2)


def node(op, inputs, outputs, name="", **attributes):
    return (b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(3, name) + field(4, op)
            + b"".join(field(5, attribute(k, v)) for k, v in attributes.items()))


def value(name, kind, shape):
    dims = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def tensor(name, kind, shape, data):
    return b"".join(field(1, d) for d in shape) + field(2, kind) + field(9, data) + field(8, name)


def graph(nodes, inputs, outputs, tensors=()):
    return (b"".join(field(1, n) for n in nodes) + field(2, "g") + b"".join(field(5, t) for t in tensors)
            + b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs))


def model(body, opset):
    return field(1, 8) + field(7, body) + field(8, field(2, opset))


def endless(scanned):
    """A loop without an end; `scanned` says whether it also collects a value of every iteration."""
    body = graph([node("Identity", ["c"], ["c2"]), node("Add", ["v", "v"], ["v2"]), node("Identity", ["v2"], ["s"])],
                 [value("i", INT64, []), value("c", BOOL, []), value("v", FLOAT, [2])],
                 [value("c2", BOOL, []), value("v2", FLOAT, [2])] + [value("s", FLOAT, [2])] * scanned)
    return model(graph([node("Loop", ["", "t", "x"], ["y"] + ["z"] * scanned, body=body)], [value("x", FLOAT, [2])],
                       [value("y", FLOAT, [2])] + [value("z", FLOAT, ["n", 2])] * scanned,
                       [tensor("t", BOOL, [], b"\1")]), 18)


X3 = value("x", FLOAT, [2, 4, 3])
AS_OLD = {
    "softmax": model(graph([node("Softmax", ["x"], ["y"], axis=1)], [X3], [value("y", FLOAT, [2, 4, 3])]), 11),
    "groups": model(graph([node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)], [X3],
                          [value("y", FLOAT, [2, 4, 3])],
                          [tensor("s", FLOAT, [2], struct.pack("<2f", 2, -3)),
                           tensor("b", FLOAT, [2], struct.pack("<2f", 0, 5))]), 18),
    "split": model(graph([node("Split", ["x"], ["y", "z"], axis=1)], [X3],
                         [value("y", FLOAT, [2, 2, 3]), value("z", FLOAT, [2, 2, 3])]), 13),
    "names": model(graph([node("Relu", ["x"], ["r"], "n"), node("Sigmoid", ["r"], ["y"], "n")], [X3],
                         [value("y", FLOAT, [2, 4, 3])]), 13),
}


def main():
    program = sys.argv[1]
    failures = []

    def call(*args, code=0):
        result = subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=120)
        if result.returncode != code or (code != 0 and result.stderr.count("\n") != 1):
            failures.append(f"{args}: exit code {result.returncode}, expected {code}: {result.stderr.strip()[:300]}")
        return result

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def save(file, data):
            (folder / file).write_bytes(data)
            return folder / file

        plain, scan = save("endless.onnx", endless(0)), save("scan.onnx", endless(1))
        call("run", plain, "--deadline", "0.2", code=4)
        call("run", plain, "--deadline", "-1", code=2)
        call("run", scan, "--memory-limit", "2mb", code=4)
        relu = graph([node("Relu", ["x"], ["y"])], [value("x", FLOAT, [1 << 40])], [value("y", FLOAT, [1 << 40])])
        call("run", save("huge.onnx", model(relu, 18)), code=4)
        twice = graph([node("Relu", ["x"], ["y"])], [X3, X3], [value("y", FLOAT, [2, 4, 3])])
        call("run", save("twice.onnx", model(twice, 18)), code=3)
        affine = graph([node("AffineGrid", ["x", "s"], ["y"])], [value("x", FLOAT, [1, 2, 3]), value("s", INT64, [4])],
                       [value("y", FLOAT, ["a", "b", "c", 2])])
        call("run", save("affine.onnx", model(affine, 20)), "--input", "s=[1,1,-2,2]", code=1)
        body = (graph([node("Identity", ["i"], ["c"]), node("Identity", ["v"], ["w"])],
                      [value("i", INT64, []), value("b", 9, []), value("v", FLOAT, [1])], [field(1, "c"), field(1, "w")]))
        loop = (field(1, "n") + field(1, "") + field(1, "x") + field(2, "y") + field(3, "l") + field(4, "Loop")
                + field(5, field(1, "body") + field(6, body) + field(20, 5)))
        odd = graph([loop], [value("n", INT64, []), value("x", FLOAT, [1])], [value("y", FLOAT, [1])])
        call("run", save("odd.onnx", model(odd, 18)), "--input", "n=3", code=3)
        unknown = save("unknown.onnx", model(graph([node("Nope", ["x"], ["y"])], [X3], [value("y", FLOAT, [1])]), 18))
        error = json.loads(call("inspect", unknown, "--json", code=3).stderr)
        if error["kind"] != "UnsupportedModel":
            failures.append(f"inspect says {error}")
        for text in ("[" * 100000 + "]" * 100000, '[{"a":' * 100000 + "1" + "}]" * 100000):
            call("run", plain, "--input", f"x={save('deep.json', text.encode())}", code=1)

        for what, data in AS_OLD.items():
            old, new = save(f"{what}.onnx", data), folder / f"{what}_new.onnx"
            call("optimize", old, "-o", new, "--rules=none")
            written = new.read_bytes() if new.exists() else b""
            if b"flatten" in written or b"per_group" in written or (what == "split" and b"num_outputs" not in written):
                failures.append(f"{what} is not written as the standard spells it")
            if written.count(field(3, "n")) > 1:
                failures.append("two nodes have one name")
            reports = [call("run", path, "--json").stdout.split('"outputs"')[-1] for path in (old, new)]
            if reports[0] != reports[1]:
                failures.append(f"{what} computes {reports[1]} after optimize instead of {reports[0]}")
    for failure in failures:
        print("FAIL", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
