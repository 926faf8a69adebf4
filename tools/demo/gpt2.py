"""GPT-2 in numpy: parameters, forward and backward pass (Radford et al. 2019; Vaswani et al. 2017)."""
import numpy as np

EPSILON = 1e-5
GELU_SCALE = float(np.sqrt(2 / np.pi))
GELU_CUBE = 0.044715


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


def views(flat, config):
    """The parameters by name as views into one flat array."""
    result, at = {}, 0
    for name, shape in shapes(config).items():
        size = int(np.prod(shape))
        result[name] = flat[at:at + size].reshape(shape)
        at += size
    return result


def initialise(config, rng, dtype=np.float32):
    """A flat array of fresh parameters: normal of deviation 0.02, less in the projections onto the residual stream."""
    flat = np.zeros(sum(int(np.prod(s)) for s in shapes(config).values()), dtype)
    for name, view in views(flat, config).items():
        if ".ln_" in "." + name:
            view[...] = name.endswith("weight")
        elif name.endswith("weight"):
            deviation = 0.02 / np.sqrt(2 * config["n_layer"]) if "c_proj" in name else 0.02
            view[...] = rng.normal(0, deviation, view.shape)
    return flat


def layer_norm(x, gain, bias):
    """Returns (y, what the backward pass needs)."""
    centred = x - x.mean(-1, keepdims=True)
    inverse = 1 / np.sqrt(np.square(centred).mean(-1, keepdims=True) + EPSILON)
    normal = centred * inverse
    return normal * gain + bias, (normal, inverse)


def layer_norm_backward(dy, saved, gain, dgain, dbias):
    normal, inverse = saved
    dgain += np.einsum("nd,nd->d", dy, normal)
    dbias += dy.sum(0)
    dn = dy * gain
    return (dn - dn.mean(-1, keepdims=True) - normal * (dn * normal).mean(-1, keepdims=True)) * inverse


def gelu(x):
    """The tanh form of GELU (Hendrycks and Gimpel 2016); returns (y, tanh of the inner polynomial)."""
    t = np.tanh(GELU_SCALE * (x + GELU_CUBE * x * x * x))
    return 0.5 * x * (1 + t), t


def gelu_backward(dy, x, t):
    slope = (0.5 * GELU_SCALE) * x * (1 - t * t) * (1 + (3 * GELU_CUBE) * x * x)
    return dy * (0.5 * (1 + t) + slope)


class Gpt2:
    """The model over a dict of parameters; rows of activations are [batch * time, n_embd]."""

    def __init__(self, config, params):
        self.config = config
        self.p = params

    def _attention(self, qkv, batch):
        heads = self.config["n_head"]
        q, k, v = qkv.reshape(batch, -1, 3, heads, self.config["n_embd"] // heads).transpose(2, 0, 3, 1, 4)
        scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1]).astype(qkv.dtype)
        scores += np.triu(np.full(scores.shape[-2:], -1e9, qkv.dtype), 1)
        scores -= scores.max(-1, keepdims=True)
        weights = np.exp(scores, out=scores)
        weights /= weights.sum(-1, keepdims=True)
        return (weights @ v).transpose(0, 2, 1, 3).reshape(len(qkv), -1), (q, k, v, weights)

    def _attention_backward(self, dy, saved):
        q, k, v, weights = saved
        dy = dy.reshape(len(q), -1, q.shape[1], q.shape[3]).transpose(0, 2, 1, 3)
        dqkv = np.empty((len(q), q.shape[2], 3, q.shape[1], q.shape[3]), dy.dtype)
        dq, dk, dv = dqkv.transpose(2, 0, 3, 1, 4)
        dv[...] = weights.transpose(0, 1, 3, 2) @ dy
        ds = dy @ v.transpose(0, 1, 3, 2)
        ds -= np.einsum("bhqk,bhqk->bhq", ds, weights)[..., None]
        ds *= weights
        ds /= np.sqrt(q.shape[-1]).astype(dy.dtype)
        dq[...] = ds @ k
        dk[...] = ds.transpose(0, 1, 3, 2) @ q
        return dqkv.reshape(len(q) * q.shape[2], -1)

    def _linear(self, name, x):
        return x @ self.p[name + ".weight"] + self.p[name + ".bias"]

    def _linear_backward(self, name, dy, x, grads):
        grads[name + ".weight"] += x.T @ dy
        grads[name + ".bias"] += dy.sum(0)
        return dy @ self.p[name + ".weight"].T

    def _norm(self, name, x):
        return layer_norm(x, self.p[name + ".weight"], self.p[name + ".bias"])

    def _norm_backward(self, name, dy, saved, grads):
        return layer_norm_backward(dy, saved, self.p[name + ".weight"], grads[name + ".weight"], grads[name + ".bias"])

    def _block(self, h, x, batch):
        normal1, norm1 = self._norm(h + "ln_1", x)
        mixed, attention = self._attention(self._linear(h + "attn.c_attn", normal1), batch)
        x = x + self._linear(h + "attn.c_proj", mixed)
        normal2, norm2 = self._norm(h + "ln_2", x)
        inner = self._linear(h + "mlp.c_fc", normal2)
        active, tanh = gelu(inner)
        x = x + self._linear(h + "mlp.c_proj", active)
        return x, (normal1, norm1, mixed, attention, normal2, norm2, inner, active, tanh)

    def _block_backward(self, h, dx, saved, grads):
        normal1, norm1, mixed, attention, normal2, norm2, inner, active, tanh = saved
        dy = gelu_backward(self._linear_backward(h + "mlp.c_proj", dx, active, grads), inner, tanh)
        dy = self._linear_backward(h + "mlp.c_fc", dy, normal2, grads)
        dx = dx + self._norm_backward(h + "ln_2", dy, norm2, grads)
        dy = self._attention_backward(self._linear_backward(h + "attn.c_proj", dx, mixed, grads), attention)
        dy = self._linear_backward(h + "attn.c_attn", dy, normal1, grads)
        return dx + self._norm_backward(h + "ln_1", dy, norm1, grads)

    def forward(self, ids, start=0):
        """Logits [batch, time, vocab_size] of ids [batch, time] at positions from `start` on; kept for backward."""
        positions = slice(start, start + ids.shape[1])
        x = (self.p["wte.weight"][ids] + self.p["wpe.weight"][positions]).reshape(ids.size, -1)
        self.saved = []
        for i in range(self.config["n_layer"]):
            x, saved = self._block(f"h.{i}.", x, len(ids))
            self.saved.append(saved)
        self.last, self.last_norm = self._norm("ln_f", x)
        self.ids, self.positions = ids, positions
        return (self.last @ self.p["wte.weight"].T).reshape(*ids.shape, -1)

    def loss(self, ids, targets, start=0):
        """(mean cross entropy in nats, its gradient by the logits)."""
        logits = self.forward(ids, start).reshape(ids.size, -1)
        logits = logits - logits.max(-1, keepdims=True)
        exps = np.exp(logits)
        sums = exps.sum(-1, keepdims=True)
        rows, wanted = np.arange(ids.size), targets.reshape(-1)
        loss = float(np.mean(np.log(sums[:, 0]) - logits[rows, wanted], dtype=np.float64))
        dlogits = exps / sums
        dlogits[rows, wanted] -= 1
        return loss, dlogits / ids.size

    def backward(self, dlogits, grads):
        """Adds the parameters' gradients after a forward pass."""
        grads["wte.weight"] += dlogits.T @ self.last
        dx = self._norm_backward("ln_f", dlogits @ self.p["wte.weight"], self.last_norm, grads)
        for i in reversed(range(self.config["n_layer"])):
            dx = self._block_backward(f"h.{i}.", dx, self.saved[i], grads)
        order = np.argsort(self.ids, axis=None, kind="stable")
        rows, starts = np.unique(self.ids.reshape(-1)[order], return_index=True)
        grads["wte.weight"][rows] += np.add.reduceat(dx[order], starts)
        grads["wpe.weight"][self.positions] += dx.reshape(*self.ids.shape, -1).sum(0)
