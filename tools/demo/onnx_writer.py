"""Writes ONNX models as protobuf bytes: the few messages of onnx.proto3 that an exported graph needs."""
import numpy as np

FLOAT, INT64, BOOL, FLOAT16 = 1, 7, 9, 10
ELEMENT_TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64, np.dtype(np.bool_): BOOL,
                 np.dtype(np.float16): FLOAT16}
ATTRIBUTE_TYPES = {"f": 1, "i": 2, "s": 3, "t": 4, "ints": 7}


def varint(value):
    """A base-128 varint; negative integers as their 64-bit two's complement."""
    value &= (1 << 64) - 1
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def number(field, value):
    return varint(field << 3) + varint(value)


def blob(field, value):
    """A length-delimited field: bytes, text or a message."""
    data = value.encode("utf-8") if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name, array):
    """TensorProto with raw_data, little endian."""
    array = np.asarray(array)
    dims = b"".join(number(1, d) for d in array.shape)
    raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return dims + number(2, ELEMENT_TYPES[array.dtype]) + blob(8, name) + blob(9, raw)


def attribute(name, value):
    """AttributeProto of a float, an integer, a text, an array or a list of integers."""
    if isinstance(value, float):
        kind, body = "f", varint(2 << 3 | 5) + np.float32(value).tobytes()
    elif isinstance(value, int):
        kind, body = "i", number(3, value)
    elif isinstance(value, str):
        kind, body = "s", blob(4, value)
    elif isinstance(value, np.ndarray):
        kind, body = "t", blob(5, tensor("", value))
    else:
        kind, body = "ints", b"".join(number(8, v) for v in value)
    return blob(1, name) + body + number(20, ATTRIBUTE_TYPES[kind])


def value_info(name, element_type, dims):
    """ValueInfoProto of a tensor; a dimension is an integer or a symbol's name."""
    shape = b"".join(blob(1, blob(2, d) if isinstance(d, str) else number(1, d)) for d in dims)
    return blob(1, name) + blob(2, blob(1, number(1, element_type) + blob(2, shape)))


class GraphWriter:
    """Collects nodes, weights, inputs and outputs in order; a node's single output is named after the node."""

    def __init__(self, name):
        self.name = name
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []
        self.known = set()

    def node(self, op, name, inputs, outputs=None, **attributes):
        """Adds a node and returns its output's name, or the list of names given in `outputs`."""
        names = outputs or [f"{name}_output_0"]
        body = b"".join(blob(1, i) for i in inputs) + b"".join(blob(2, o) for o in names)
        body += blob(3, name) + blob(4, op)
        self.nodes.append(body + b"".join(blob(5, attribute(k, v)) for k, v in attributes.items()))
        return outputs or names[0]

    def weight(self, name, array):
        """Adds an initializer once and returns its name."""
        if name not in self.known:
            self.known.add(name)
            self.weights.append(tensor(name, array))
        return name

    def input(self, name, element_type, dims):
        self.inputs.append(value_info(name, element_type, dims))
        return name

    def output(self, name, element_type, dims):
        self.outputs.append(value_info(name, element_type, dims))

    def output_of_any_type(self, name):
        """An output whose type and shape are left to inference."""
        self.outputs.append(blob(1, name))

    def model(self, opset, producer):
        """The ModelProto's bytes, of IR version 8."""
        graph = b"".join(blob(1, n) for n in self.nodes) + blob(2, self.name)
        for field, messages in ((5, self.weights), (11, self.inputs), (12, self.outputs)):
            graph += b"".join(blob(field, m) for m in messages)
        return number(1, 8) + blob(2, producer) + blob(7, graph) + blob(8, blob(1, "") + number(2, opset))
