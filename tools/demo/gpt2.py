"""GPT-2 in PyTorch (Radford et al. 2019), with the parameters of Hub checkpoints."""
import math

import torch
from torch.nn import functional


def shapes(config):
    """The parameters' names and shapes, spelt as in Hub checkpoints; linear weights are [in, out]."""
    d, inner = config["n_embd"], 4 * config["n_embd"]
    result = {"wte.weight": (config["vocab_size"], d), "wpe.weight": (config["n_positions"], d)}
    for i in range(config["n_layer"]):
        h = f"h.{i}."
        for name, shape in (("attn.c_attn", (d, 3 * d)), ("attn.c_proj", (d, d)), ("mlp.c_fc", (d, inner)),
                            ("mlp.c_proj", (inner, d))):
            result[f"{h}{name}.weight"] = shape
            result[f"{h}{name}.bias"] = shape[1:]
        for name in ("ln_1", "ln_2"):
            result[f"{h}{name}.weight"] = result[f"{h}{name}.bias"] = (d,)
    result["ln_f.weight"] = result["ln_f.bias"] = (d,)
    return result


def initialise(config, generator):
    """Fresh parameters by name: normal of deviation 0.02, less in the projections onto the residual stream."""
    result = {}
    for name, shape in shapes(config).items():
        deviation = 0.02 / math.sqrt(2 * config["n_layer"]) if "c_proj" in name else 0.02
        value = torch.zeros(shape)
        if ".ln_" in "." + name:
            value += name.endswith("weight")
        elif name.endswith("weight"):
            value.normal_(0, deviation, generator=generator)
        result[name] = value.requires_grad_()
    return result


class Gpt2:
    """The model over a dict of parameters. Products are computed in `products`, everything else in float32; `dropout` is
    the share of values left out where the residual stream is added to."""

    def __init__(self, config, params, products=torch.float32, dropout=0.0):
        self.config, self.p, self.products, self.dropout = config, params, products, dropout
        n = config["n_positions"]
        self.unseen = torch.full((n, n), -math.inf).triu(1)

    def _drop(self, x):
        if self.dropout == 0:
            return x
        return x * torch.rand(x.shape).ge_(self.dropout).div_(1 - self.dropout)

    def _linear(self, name, x):
        weight, bias = self.p[name + ".weight"].to(self.products), self.p[name + ".bias"].to(self.products)
        return functional.linear(x, weight.t(), bias)

    def _norm(self, name, x):
        """Layer normalisation; the result is as products take it."""
        y = functional.layer_norm(x, x.shape[-1:], self.p[name + ".weight"], self.p[name + ".bias"],
                                  self.config["layer_norm_epsilon"])
        return y.to(self.products)

    def _attention(self, h, x):
        batch, time, width = x.shape
        heads = self.config["n_head"]
        qkv = self._linear(h + "attn.c_attn", x).view(batch, time, 3, heads, width // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = (q / math.sqrt(width // heads) @ k.transpose(-2, -1)).float() + self.unseen[:time, :time]
        mixed = torch.softmax(scores, -1).to(self.products) @ v
        return self._linear(h + "attn.c_proj", mixed.transpose(1, 2).reshape(batch, time, width))

    def _feed_forward(self, h, x):
        return self._linear(h + "mlp.c_proj", functional.gelu(self._linear(h + "mlp.c_fc", x)))

    def loss(self, ids, targets):
        """Mean cross entropy in nats of ids and targets [batch, time]."""
        x = self._drop(self.p["wte.weight"][ids] + self.p["wpe.weight"][:ids.shape[1]])
        for i in range(self.config["n_layer"]):
            h = f"h.{i}."
            x = x + self._drop(self._attention(h, self._norm(h + "ln_1", x)).float())
            x = x + self._drop(self._feed_forward(h, self._norm(h + "ln_2", x)).float())
        logits = functional.linear(self._norm("ln_f", x), self.p["wte.weight"].to(self.products)).float()
        return functional.cross_entropy(logits.view(ids.numel(), -1), targets.reshape(-1))
