"""A GPT-2 of random weights: as a Hub folder, and as a function in numpy and double precision."""
import json
import sys
from math import erf
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3] / "tools" / "demo"))
import export_onnx  # noqa: E402

CONFIG = {"model_type": "gpt2", "activation_function": "gelu", "vocab_size": 60, "n_positions": 64, "n_embd": 24,
          "n_head": 3, "n_layer": 2, "layer_norm_epsilon": 1e-5}


def parameters(seed):
    """Random weights, of a spread that makes logits differ."""
    rng = np.random.default_rng(seed)
    d = CONFIG["n_embd"]
    shapes = {"wte.weight": (CONFIG["vocab_size"], d), "wpe.weight": (CONFIG["n_positions"], d), "ln_f": None}
    for i in range(CONFIG["n_layer"]):
        for name, shape in (("attn.c_attn", (d, 3 * d)), ("attn.c_proj", (d, d)), ("mlp.c_fc", (d, 4 * d)),
                            ("mlp.c_proj", (4 * d, d))):
            shapes[f"h.{i}.{name}.weight"], shapes[f"h.{i}.{name}.bias"] = shape, shape[1:]
        shapes[f"h.{i}.ln_1"] = shapes[f"h.{i}.ln_2"] = None
    result = {}
    for name, shape in shapes.items():
        if shape:
            result[name] = rng.normal(0, 0.3, shape).astype(np.float32)
        else:
            result[name + ".weight"] = rng.normal(1, 0.1, d).astype(np.float32)
            result[name + ".bias"] = rng.normal(0, 0.1, d).astype(np.float32)
    return result


def write(folder, params):
    """The folder of the model, with onnx/model.onnx."""
    (folder / "onnx").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "onnx" / "model.onnx").write_bytes(export_onnx.Exporter(CONFIG, params).export())


class Model:
    """logits and hidden states of whole sequences."""

    def __init__(self, params):
        self.p = {name: value.astype(np.float64) for name, value in params.items()}

    def norm(self, name, x):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * self.p[name + ".weight"] + \
            self.p[name + ".bias"]

    def linear(self, name, x):
        return x @ self.p[name + ".weight"] + self.p[name + ".bias"]

    def attention(self, h, x, bias):
        rows, length, width = x.shape
        heads = CONFIG["n_head"]
        q, k, v = np.split(self.linear(h + "attn.c_attn", x), 3, -1)
        q, k, v = (t.reshape(rows, length, heads, -1).transpose(0, 2, 1, 3) for t in (q, k, v))
        scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(width / heads) + bias
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = weights / weights.sum(-1, keepdims=True) @ v
        return self.linear(h + "attn.c_proj", mixed.transpose(0, 2, 1, 3).reshape(rows, length, width))

    def __call__(self, ids, mask):
        """([rows, vocabulary] of the last tokens, [rows, tokens, width])"""
        positions = np.where(mask > 0, mask.cumsum(-1) - 1, 1)
        seen = np.tril(np.ones((ids.shape[1],) * 2)) * mask[:, None, None, :]
        x = self.p["wte.weight"][ids] + self.p["wpe.weight"][positions]
        for i in range(CONFIG["n_layer"]):
            h = f"h.{i}."
            x = x + self.attention(h, self.norm(h + "ln_1", x), np.where(seen > 0, 0, -1e30))
            inner = self.linear(h + "mlp.c_fc", self.norm(h + "ln_2", x))
            x = x + self.linear(h + "mlp.c_proj", inner / 2 * (1 + np.vectorize(erf)(inner / np.sqrt(2))))
        hidden = self.norm("ln_f", x)
        return hidden[:, -1] @ self.p["wte.weight"].T, hidden
