"""Writes the seeds of the ONNX reader's fuzz target: python3 fuzz/make_onnx_corpus.py fuzz/corpus/onnx_reader

Each seed is a small file that uses one part of the format, encoded by hand so that no ONNX library is needed.
"""
import pathlib
import struct
import sys


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def num(field, value):
    return varint(field << 3) + varint(value)


def f32(field, value):
    return varint(field << 3 | 5) + struct.pack("<f", value)


def f64(field, value):
    return varint(field << 3 | 1) + struct.pack("<d", value)


def blob(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def packed(field, values):
    return blob(field, b"".join(varint(v) for v in values))


def tensor(dtype, dims, *data, name="w"):
    return b"".join(num(1, d) for d in dims) + num(2, dtype) + b"".join(data) + blob(8, name)


def entry(key, value):
    return blob(1, key) + blob(2, value)


def external(dtype, dims, **entries):
    return tensor(dtype, dims, *(blob(13, entry(k, v)) for k, v in entries.items()), num(14, 1))


def tensor_type(elem, *dims):
    shape = b"".join(blob(1, num(1, d) if isinstance(d, int) else blob(2, d) if d else b"") for d in dims)
    return blob(1, num(1, elem) + blob(2, shape))


def value_info(name, type_bytes):
    return blob(1, name) + blob(2, type_bytes)


def attribute(name, kind, value):
    return blob(5, blob(1, name) + value + num(20, kind))


def node(op, inputs=(), outputs=(), *attributes):
    names = b"".join(blob(1, i) for i in inputs) + b"".join(blob(2, o) for o in outputs)
    return blob(1, names + blob(3, op.lower()) + blob(4, op) + b"".join(attributes))


def model(graph, *extra):
    return num(1, 13) + blob(7, graph + blob(2, "g")) + blob(8, num(2, 22)) + b"".join(extra)


def initializers(*tensors):
    return model(b"".join(blob(5, t) for t in tensors))


def seeds():
    yield "relu", model(
        node("Relu", ["x"], ["y"]) + blob(11, value_info("x", tensor_type(1, "batch", 3, None)))
        + blob(12, value_info("y", tensor_type(1))))
    yield "typed_data", initializers(
        tensor(1, [2], f32(4, 1.5), f32(4, -2)), tensor(6, [2], packed(5, [1, -1])), tensor(7, [2], num(7, 5), num(7, -5)),
        tensor(11, [1], f64(10, 0.5)), tensor(13, [1], packed(11, [1 << 63])), tensor(8, [2], blob(6, "a"), blob(6, "")))
    yield "narrow_data", initializers(
        tensor(10, [1], packed(5, [0x3C00])), tensor(22, [3], packed(5, [0x21, 0x03])), tensor(25, [5], blob(9, b"\xe4\x01")),
        tensor(9, [2], blob(9, b"\0\2")), tensor(17, [1], blob(9, b"\x7e")), tensor(14, [1], f32(4, 1), f32(4, 2)))
    yield "external", initializers(
        external(2, [4], location="w", offset="1", length="4"), external(1, [0], location="a/b", checksum="x"),
        external(2, [1], location="../w"))
    yield "dims", initializers(tensor(1, [1 << 40]), tensor(1, [1 << 33, 1 << 33]), tensor(1, [-1]), tensor(1, [0, 1 << 62]))
    body = blob(6, node("Identity", ["x"], ["z"]) + blob(2, "then"))
    yield "subgraph", model(node("If", ["c"], ["y"], attribute("then_branch", 5, body), attribute("else_branch", 5, body)))
    yield "attributes", model(node(
        "All", ["", "x"], ["y"], attribute("f", 1, f32(2, 1)), attribute("i", 2, num(3, -1)), attribute("s", 3, blob(4, "s")),
        attribute("t", 4, blob(5, tensor(1, [], f32(4, 1)))), attribute("fs", 6, f32(7, 1) + blob(7, struct.pack("<2f", 2, 3))),
        attribute("is", 7, num(8, 1) + packed(8, [2, -3])), attribute("ss", 8, blob(9, "a") + blob(9, "b")),
        attribute("ts", 9, blob(10, tensor(2, [1], blob(9, "x")))), attribute("tp", 13, blob(14, tensor_type(1, 2))),
        attribute("sp", 11, blob(22, blob(1, tensor(1, [1], f32(4, 1))) + blob(2, tensor(7, [1], num(7, 3))) + num(3, 9))),
        blob(5, blob(1, "ref") + num(20, 2) + blob(21, "outer"))))
    yield "empty_lists", model(node("X", [], [], attribute("f", 6, blob(7, b"")), attribute("i", 7, blob(8, b""))))
    nested = blob(9, blob(1, blob(4, blob(1, blob(5, num(1, 8) + blob(2, tensor_type(7)))))))
    yield "types", model(blob(13, value_info("v", nested)) + blob(13, value_info("s", blob(8, num(1, 1)))))
    yield "function", model(
        node("F", ["x"], ["y"]),
        blob(25, blob(1, "F") + blob(4, "x") + blob(5, "y") + blob(6, "alpha") + node("Elu", ["x"], ["y"]).replace(b"\x0a", b"\x3a", 1)
             + blob(9, num(2, 22)) + blob(10, "my") + blob(11, blob(1, "beta") + f32(2, 1) + num(20, 1)) + blob(13, "v1")),
        blob(14, entry("k", "v")), blob(2, "producer"), num(5, 3))
    deep = b""
    for _ in range(70):
        deep = node("If", [], [], attribute("b", 5, blob(6, deep)))
    yield "deep", model(deep)
    item = tensor(7, [1], num(7, 1))
    yield "sequence", blob(1, "s") + num(2, 1) + blob(3, item) + blob(3, item)
    yield "map", num(2, 7) + packed(3, [1, 2]) + blob(5, num(2, 1) + blob(3, item) + blob(3, item))
    yield "optional", num(2, 3) + blob(5, num(2, 1) + blob(3, item))
    yield "lfs_pointer", b"version https://git-lfs.github.com/spec/v1\n"


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
