"""Exports a checkpoint of the demo model as onnx/model.onnx, in the form of the Hub's exports of GPT-2."""
import argparse
import json
from pathlib import Path

import numpy as np

from onnx_writer import BOOL, FLOAT, INT64, GraphWriter

OPSET = 17
LOWEST = np.float32(np.finfo(np.float32).min)


class Exporter:
    """Writes the graph of one GPT-2: ids, mask, positions and past keys and values in; logits and present ones out."""

    def __init__(self, config, params):
        self.config, self.params, self.cast = config, params, {}
        self.heads = config["n_head"]
        self.width = config["n_embd"] // self.heads
        self.g = GraphWriter("main_graph")

    def constant(self, value):
        """The name of an integer or float constant, written once."""
        array = np.asarray(value, np.int64) if not isinstance(value, np.float32) else np.asarray(value)
        text = "_".join(str(v) for v in array.reshape(-1))
        return self.g.weight(f"constant_{array.dtype}_{array.ndim}d_{text}", array)

    def param(self, name):
        """A parameter in float32; one that is stored in half precision is cast where it is read."""
        stored = self.g.weight("transformer." + name, self.params[name])
        if self.params[name].dtype != np.float16:
            return stored
        if name not in self.cast:
            path = f"/transformer/{name.replace('.', '/')}/Cast"
            self.cast[name] = self.g.node("Cast", path, [stored], to=FLOAT)
        return self.cast[name]

    def size(self, name, value, axis):
        """One extent of a value as a scalar."""
        shape = self.g.node("Shape", f"{name}/Shape", [value])
        return self.g.node("Gather", f"{name}/Gather", [shape, self.constant(axis)], axis=0)

    def reshape(self, name, value, *dims):
        """Reshapes to extents that are integers or names of scalars."""
        parts = []
        for i, d in enumerate(dims):
            parts.append(self.constant([d]) if isinstance(d, int) else
                         self.g.node("Unsqueeze", f"{name}/Unsqueeze_{i}", [d, self.constant([0])]))
        shape = self.g.node("Concat", f"{name}/Concat", parts, axis=0) if len(parts) > 1 else parts[0]
        return self.g.node("Reshape", f"{name}/Reshape", [value, shape])

    def norm(self, name, x):
        inputs = [x, self.param(name + ".weight"), self.param(name + ".bias")]
        return self.g.node("LayerNormalization", f"/transformer/{name.replace('.', '/')}/LayerNormalization", inputs,
                           axis=-1, epsilon=float(self.config["layer_norm_epsilon"]))

    def linear(self, name, x):
        """The transposed linear layer of GPT-2 (weights [in, out]) as a Gemm over rows."""
        path = f"/transformer/{name.replace('.', '/')}"
        weight = self.params[name + ".weight"]
        rows = self.g.node("Reshape", f"{path}/Reshape_in", [x, self.constant([-1, weight.shape[0]])])
        y = self.g.node("Gemm", f"{path}/Gemm", [rows, self.param(name + ".weight"), self.param(name + ".bias")],
                        alpha=1.0, beta=1.0)
        return self.reshape(f"{path}/out", y, self.batch, self.length, weight.shape[1])

    def inputs(self):
        g = self.g
        self.ids = g.input("input_ids", INT64, ["batch_size", "sequence_length"])
        self.mask = g.input("attention_mask", INT64, ["batch_size", "total_sequence_length"])
        self.positions = g.input("position_ids", INT64, ["batch_size", "sequence_length"])
        self.past = []
        for i in range(self.config["n_layer"]):
            self.past.append([g.input(f"past_key_values.{i}.{kind}", FLOAT,
                                      ["batch_size", self.heads, "past_sequence_length", self.width])
                              for kind in ("key", "value")])
        self.batch = self.size("/transformer/batch", self.ids, 0)
        self.length = self.size("/transformer/length", self.ids, 1)

    def attention_bias(self):
        """[batch, 1, sequence, total]: 0 where a query may see a key, the lowest float where not."""
        g, path = self.g, "/transformer/mask"
        past = self.size(f"{path}/past", self.past[0][0], 2)
        total = g.node("Add", f"{path}/Add", [past, self.length])
        queries = g.node("Range", f"{path}/Range_queries", [past, total, self.constant(1)])
        keys = g.node("Range", f"{path}/Range_keys", [self.constant(0), total, self.constant(1)])
        column = g.node("Unsqueeze", f"{path}/Unsqueeze_queries", [queries, self.constant([1])])
        causal = g.node("LessOrEqual", f"{path}/LessOrEqual", [keys, column])
        real = g.node("Cast", f"{path}/Cast", [self.mask], to=BOOL)
        real = g.node("Unsqueeze", f"{path}/Unsqueeze_real", [real, self.constant([1, 2])])
        visible = g.node("And", f"{path}/And", [causal, real])
        return g.node("Where", f"{path}/Where", [visible, self.constant(np.float32(0)), self.constant(LOWEST)])

    def attention(self, i, x, bias):
        g, path = self.g, f"/transformer/h.{i}/attn"
        qkv = self.linear(f"h.{i}.attn.c_attn", x)
        parts = g.node("Split", f"{path}/Split", [qkv, self.constant([self.heads * self.width] * 3)],
                       [f"{path}/Split_output_{k}" for k in range(3)], axis=2)
        split = []
        for part, kind in zip(parts, "qkv"):
            part = self.reshape(f"{path}/{kind}", part, self.batch, self.length, self.heads, self.width)
            split.append(g.node("Transpose", f"{path}/{kind}/Transpose", [part], perm=[0, 2, 1, 3]))
        present = [f"present.{i}.key", f"present.{i}.value"]
        for past, new, name in zip(self.past[i], split[1:], present):
            g.node("Concat", f"{path}/Concat_{name}", [past, new], [name], axis=2)
            g.output(name, FLOAT, ["batch_size", self.heads, "total_sequence_length", self.width])
        keys = g.node("Transpose", f"{path}/Transpose_keys", present[:1], perm=[0, 1, 3, 2])
        root = self.constant(np.float32(self.width**-0.25))
        query = g.node("Mul", f"{path}/Mul_query", [split[0], root])
        keys = g.node("Mul", f"{path}/Mul_keys", [keys, root])
        scores = g.node("MatMul", f"{path}/MatMul_scores", [query, keys])
        scores = g.node("Add", f"{path}/Add_mask", [scores, bias])
        weights = g.node("Softmax", f"{path}/Softmax", [scores], axis=-1)
        mixed = g.node("MatMul", f"{path}/MatMul_values", [weights, present[1]])
        mixed = g.node("Transpose", f"{path}/Transpose_mixed", [mixed], perm=[0, 2, 1, 3])
        mixed = self.reshape(f"{path}/mixed", mixed, self.batch, self.length, self.heads * self.width)
        return self.linear(f"h.{i}.attn.c_proj", mixed)

    def gelu(self, path, x):
        """0.5 x (1 + erf(x / sqrt(2))), or of activation "gelu_new" 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
        def op(kind, left, right):
            name = f"{path}/{kind}_{len(self.g.nodes)}"
            return self.g.node(kind, name, [v if isinstance(v, str) else self.constant(np.float32(v))
                                            for v in (left, right)])

        if self.config["activation_function"] == "gelu":
            curve = self.g.node("Erf", f"{path}/Erf", [op("Div", x, np.sqrt(2))])
        else:
            cube = op("Mul", op("Pow", x, 3), 0.044715)
            scaled = op("Mul", op("Add", x, cube), np.sqrt(2 / np.pi))
            curve = self.g.node("Tanh", f"{path}/Tanh", [scaled])
        return op("Mul", op("Mul", x, 0.5), op("Add", curve, 1))

    def block(self, i, x, bias):
        mixed = self.attention(i, self.norm(f"h.{i}.ln_1", x), bias)
        x = self.g.node("Add", f"/transformer/h.{i}/Add_attention", [x, mixed])
        inner = self.linear(f"h.{i}.mlp.c_fc", self.norm(f"h.{i}.ln_2", x))
        outer = self.linear(f"h.{i}.mlp.c_proj", self.gelu(f"/transformer/h.{i}/mlp/act", inner))
        return self.g.node("Add", f"/transformer/h.{i}/Add_mlp", [x, outer])

    def export(self):
        """The model's bytes."""
        g = self.g
        self.inputs()
        g.output("logits", FLOAT, ["batch_size", "sequence_length", self.config["vocab_size"]])
        bias = self.attention_bias()
        words = g.node("Gather", "/transformer/wte/Gather", [self.param("wte.weight"), self.ids], axis=0)
        places = g.node("Gather", "/transformer/wpe/Gather", [self.param("wpe.weight"), self.positions], axis=0)
        x = g.node("Add", "/transformer/Add", [words, places])
        for i in range(self.config["n_layer"]):
            x = self.block(i, x, bias)
        head = g.node("Transpose", "/lm_head/Transpose", [self.param("wte.weight")], perm=[1, 0])
        g.node("MatMul", "/lm_head/MatMul", [self.norm("ln_f", x), head], ["logits"])
        return g.model(OPSET, "sardonyx-demo")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the model's folder, with its config.json")
    parser.add_argument("--checkpoint", type=Path, required=True, help="the .npz archive that train.py wrote")
    flags = parser.parse_args()
    config = json.loads((flags.model / "config.json").read_text())
    with np.load(flags.checkpoint) as archive:
        params = {name: archive[name] for name in archive.files if name != "steps"}
    (flags.model / "onnx").mkdir(exist_ok=True)
    (flags.model / "onnx" / "model.onnx").write_bytes(Exporter(config, params).export())
    generation = {"bos_token_id": config["bos_token_id"], "eos_token_id": config["eos_token_id"],
                  "pad_token_id": config["eos_token_id"], "max_new_tokens": 80, "do_sample": True, "temperature": 0.7,
                  "top_k": 40, "top_p": 0.9}
    (flags.model / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


if __name__ == "__main__":
    main()
