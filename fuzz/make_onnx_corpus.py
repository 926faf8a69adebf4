"""Writes the seeds of the fuzz targets onnx_reader and model_loader: python3 fuzz/make_onnx_corpus.py fuzz/corpus

Each seed is a small file, encoded by hand so that no ONNX library is needed: one part of the format each for the
reader, and for the loader whole graphs that compile and run.
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


def ints(name, *values):
    return tensor(7, [len(values)], packed(7, values), name=name)


def floats(name, dims, *values):
    return tensor(1, dims, blob(4, struct.pack(f"<{len(values)}f", *values)), name=name)


def any_tensor(elem):
    return blob(1, num(1, elem))


def graph(*parts, outputs=(("y", 1),), dims=("n", 3)):
    ends = blob(11, value_info("x", tensor_type(1, *dims)))
    return b"".join(parts) + ends + b"".join(blob(12, value_info(o, any_tensor(elem))) for o, elem in outputs)


def number(name, value):
    return attribute(name, 2, num(3, value))


def numbers(name, *values):
    return attribute(name, 7, packed(8, values))


def constants(*tensors):
    return b"".join(blob(5, t) for t in tensors)


def graphs():
    """Graphs that run: operators whose sizes come from attributes, constants and values, alone and in a row."""
    yield "arithmetic", graph(node("Mul", ["x", "x"], ["a"]), node("Add", ["a", "b"], ["y"]),
                              constants(floats("b", [3], 1, 2, 3)))
    yield "matmul", graph(node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["a"]), node("Relu", ["a"], ["y"]),
                          constants(floats("w", [3, 2], *range(6)), floats("b", [2], 1, 2)))
    yield "reshape", graph(node("Shape", ["x"], ["s"]), node("Gather", ["s", "i"], ["g"]),
                           node("Unsqueeze", ["g", "a"], ["u"]), node("Concat", ["u", "m"], ["t"], number("axis", 0)),
                           node("Reshape", ["x", "t"], ["y"]),
                           constants(tensor(7, [], packed(7, [0]), name="i"), ints("a", 0), ints("m", -1)))
    yield "slice", graph(node("Slice", ["x", "s", "e", "a", "p"], ["y"]),
                         constants(ints("s", 0, -1), ints("e", 1 << 62, -4), ints("a", 0, 1), ints("p", 1, -1)))
    yield "pad", graph(node("Pad", ["x", "p"], ["y"]), constants(ints("p", 1, 0, -1, 2)))
    yield "split", graph(node("Split", ["x", "s"], ["y", "z"], number("axis", 1)), constants(ints("s", 1, 2)),
                         outputs=(("y", 1), ("z", 1)))
    yield "transpose", graph(node("Transpose", ["x"], ["t"], numbers("perm", 1, 0)), node("Tile", ["t", "r"], ["y"]),
                             constants(ints("r", 2, 1)))
    yield "conv", graph(node("Conv", ["x", "w"], ["c"], numbers("pads", 1, 1), numbers("strides", 2)),
                        node("MaxPool", ["c"], ["p"], numbers("kernel_shape", 2)), node("Col2Im", ["c", "i", "k"], ["y"]),
                        constants(floats("w", [2, 2, 3], *range(12)), ints("i", 5), ints("k", 2)),
                        outputs=(("p", 1), ("y", 1)), dims=(1, 2, 8))
    yield "normalise", graph(node("ReduceMean", ["x", "a"], ["m"]), node("Sub", ["x", "m"], ["d"]),
                             node("Mul", ["d", "d"], ["q"]), node("Softmax", ["q"], ["f"], number("axis", -1)),
                             node("LayerNormalization", ["f", "w"], ["y"]),
                             constants(ints("a", -1), floats("w", [3], 1, 1, 1)))
    yield "data_dependent", graph(node("NonZero", ["x"], ["i"]), node("Transpose", ["i"], ["t"]),
                                  node("GatherND", ["x", "t"], ["g"]), node("TopK", ["g", "k"], ["y", "z"]),
                                  constants(ints("k", 1)), outputs=(("y", 1), ("z", 7)))
    yield "scatter", graph(node("ScatterND", ["x", "i", "u"], ["s"]), node("ScatterElements", ["s", "j", "v"], ["y"]),
                           constants(tensor(7, [1, 2], packed(7, [1, 2]), name="i"), floats("u", [1], 7),
                                     tensor(7, [1, 1], packed(7, [0]), name="j"), floats("v", [1, 1], 5)))
    yield "quantize", graph(node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"]),
                            constants(floats("s", [3], 1, 2, 3), tensor(2, [3], blob(9, b"\0\1\2"), name="z")))
    branch = blob(6, node("Relu", ["x"], ["r"]) + blob(12, value_info("r", any_tensor(1))) + blob(2, "b"))
    yield "if", graph(node("ReduceSum", ["x"], ["s"], number("keepdims", 0)), node("Cast", ["s"], ["c"], number("to", 9)),
                      node("If", ["c"], ["y"], attribute("then_branch", 5, branch), attribute("else_branch", 5, branch)))
    step = blob(6, node("Add", ["v", "x"], ["w"]) + node("Identity", ["c"], ["d"])
                + b"".join(blob(11, value_info(n, t)) for n, t in
                           [("i", any_tensor(7)), ("c", any_tensor(9)), ("v", any_tensor(1))])
                + b"".join(blob(12, value_info(n, t)) for n, t in
                           [("d", any_tensor(9)), ("w", any_tensor(1)), ("w", any_tensor(1))]) + blob(2, "b"))
    yield "loop", graph(node("Loop", ["t", "", "x"], ["a", "y"], attribute("body", 5, step)),
                        constants(tensor(7, [], packed(7, [3]), name="t")), outputs=(("a", 1), ("y", 1)))
    yield "sequence", graph(node("SequenceConstruct", ["x", "x"], ["s"]), node("SequenceAt", ["s", "i"], ["e"]),
                            node("ConcatFromSequence", ["s"], ["c"], number("axis", 0)), node("Add", ["e", "x"], ["y"]),
                            constants(tensor(7, [], packed(7, [1]), name="i")), outputs=(("y", 1), ("c", 1)))
    yield "resize", graph(node("Resize", ["x", "", "s"], ["r"]), node("Resize", ["x", "", "", "n"], ["y"]),
                          constants(floats("s", [3], 1, 1, 2), ints("n", 1, 2, 5)), outputs=(("r", 1), ("y", 1)), dims=(1, 2, 4))
    yield "einsum", graph(node("Einsum", ["x", "x"], ["y"], attribute("equation", 3, blob(4, "ij,kj->ik"))))
    yield "range", graph(node("Size", ["x"], ["s"]), node("Range", ["o", "s", "p"], ["r"]),
                         node("OneHot", ["r", "d", "v"], ["y"]), node("CumSum", ["r", "o"], ["z"]),
                         constants(tensor(7, [], packed(7, [0]), name="o"), tensor(7, [], packed(7, [1]), name="p"),
                                   tensor(7, [], packed(7, [4]), name="d"), floats("v", [2], 0, 1)), outputs=(("y", 1), ("z", 7)))


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files:
        (folder / name).write_bytes(content)


def main():
    folder = pathlib.Path(sys.argv[1])
    write(folder / "onnx_reader", seeds())
    write(folder / "model_loader", ((name, model(content)) for name, content in graphs()))


if __name__ == "__main__":
    main()
