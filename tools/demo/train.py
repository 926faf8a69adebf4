"""Trains the demo model with AdamW: writes a checkpoint (.npz) and config.json, or with `--check` checks gradients."""
import argparse
import json
import signal
import sys
import time
from pathlib import Path

import numpy as np

import corpus
from gpt2 import Gpt2, initialise, views
from train_tokenizer import CONTEXT, END_OF_TEXT, Encoder

BATCH_TOKENS = 1024
LEARNING_RATE = 3e-3
WARMUP = 60
BETAS = (0.9, 0.98)
WEIGHT_DECAY = 0.1


def model_config(vocabulary):
    """The config.json of the model; the end-of-text token is the last one."""
    return {"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.0,
            "bos_token_id": vocabulary - 1, "embd_pdrop": 0.0, "eos_token_id": vocabulary - 1,
            "initializer_range": 0.02, "layer_norm_epsilon": 1e-5, "model_type": "gpt2", "n_ctx": CONTEXT,
            "n_embd": 128, "n_head": 4, "n_inner": None, "n_layer": 4, "n_positions": CONTEXT,
            "reorder_and_upcast_attn": False, "resid_pdrop": 0.0, "scale_attn_by_inverse_layer_idx": False,
            "scale_attn_weights": True, "tie_word_embeddings": True, "torch_dtype": "float32", "use_cache": True,
            "vocab_size": vocabulary}


def stream(texts, encoder):
    """The ids of all texts, each text after an end-of-text token."""
    end = encoder.ids[END_OF_TEXT]
    return np.array([i for text in texts for i in (end, *encoder.encode(text))])


def evaluate(model, ids):
    """Mean cross entropy over the ids cut into full contexts."""
    count = (len(ids) - 1) // CONTEXT
    rows = ids[:count * CONTEXT].reshape(count, CONTEXT)
    wanted = ids[1:count * CONTEXT + 1].reshape(count, CONTEXT)
    return float(np.mean([model.loss(rows[i:i + 1], wanted[i:i + 1])[0] for i in range(count)]))


def batch(ids, rng, progress):
    """(inputs, targets, first position): half contexts at random positions, whole ones in the last third."""
    length = CONTEXT if progress > 2 / 3 else CONTEXT // 2
    at = rng.integers(0, len(ids) - length, BATCH_TOKENS // length)
    windows = ids[at[:, None] + np.arange(length + 1)]
    return windows[:, :-1], windows[:, 1:], int(rng.integers(0, CONTEXT - length + 1))


class AdamW:
    """Adam with decoupled weight decay on matrices (Loshchilov and Hutter 2019) and the gradient's norm cut at 1."""

    def __init__(self, flat, config):
        self.flat, self.steps = flat, 0
        self.first, self.second = np.zeros_like(flat), np.zeros_like(flat)
        self.decay = np.zeros_like(flat)
        for view in views(self.decay, config).values():
            view[...] = WEIGHT_DECAY * (view.ndim > 1)

    def step(self, gradient, rate):
        self.steps += 1
        gradient *= min(1.0, 1.0 / (float(np.linalg.norm(gradient)) + 1e-12))
        self.first += (1 - BETAS[0]) * (gradient - self.first)
        self.second += (1 - BETAS[1]) * (np.square(gradient) - self.second)
        unbiased = self.first / (1 - BETAS[0]**self.steps)
        scale = np.sqrt(self.second / (1 - BETAS[1]**self.steps)) + 1e-8
        self.flat -= rate * (unbiased / scale + self.decay * self.flat)


def check_gradients(seed):
    """Compares the gradient of a tiny model in double precision with central differences."""
    rng = np.random.default_rng(seed)
    config = {"n_layer": 2, "n_head": 2, "n_embd": 8, "n_positions": 7, "vocab_size": 11}
    flat = initialise(config, rng, np.float64)
    flat += rng.normal(0, 0.2, flat.shape)
    model = Gpt2(config, views(flat, config))
    ids, targets = rng.integers(0, 11, (2, 3, 5))
    gradient = np.zeros_like(flat)
    model.backward(model.loss(ids, targets, 2)[1], views(gradient, config))
    worst, width = 0.0, 1e-5
    for i in range(len(flat)):
        kept = flat[i]
        flat[i] = kept + width
        above = model.loss(ids, targets, 2)[0]
        flat[i] = kept - width
        below = model.loss(ids, targets, 2)[0]
        flat[i] = kept
        worst = max(worst, abs((above - below) / (2 * width) - gradient[i]))
    print(f"{len(flat)} parameters, largest difference {worst:.2e}, largest gradient {np.abs(gradient).max():.2e}")
    return worst < 1e-7


def show(step, progress, loss, started):
    """Draws the progress bar on standard error."""
    passed = time.monotonic() - started
    bar = "#" * int(30 * progress)
    left = passed / progress - passed
    print(f"\r[{bar:30}] step {step}, loss {loss:.3f}, {passed:.0f} s, {left:.0f} s left ", end="", file=sys.stderr)


def train(flags, config, ids):
    """Returns (flat parameters, steps done); SIGINT or SIGTERM ends the training after the current step."""
    rng = np.random.default_rng(flags.seed)
    flat = initialise(config, rng)
    gradient = np.zeros_like(flat)
    model, grads, optimiser = Gpt2(config, views(flat, config)), views(gradient, config), AdamW(flat, config)
    stopped = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.append(True))
    started, smooth = time.monotonic(), None
    for step in range(flags.steps):
        progress = max(step / flags.steps, (time.monotonic() - started) / (60 * flags.minutes))
        if stopped or progress >= 1:
            return flat, step
        rate = LEARNING_RATE * min(1.0, (step + 1) / WARMUP, (1 - progress) / 0.5)
        inputs, targets, start = batch(ids, rng, progress)
        loss, dlogits = model.loss(inputs, targets, start)
        gradient[...] = 0
        model.backward(dlogits, grads)
        optimiser.step(gradient, rate)
        smooth = loss if smooth is None else 0.95 * smooth + 0.05 * loss
        show(step + 1, max(progress, (step + 1) / flags.steps), smooth, started)
        if (step + 1) % 100 == 0:
            np.savez(flags.checkpoint, steps=step + 1, **model.p)
    return flat, flags.steps


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="check the gradients of a tiny model and stop")
    parser.add_argument("--text", default="/", help="where the text package is unpacked")
    parser.add_argument("--model", type=Path, help="the model's folder, with its tokenizer.json")
    parser.add_argument("--checkpoint", type=Path, help="the .npz archive to write")
    parser.add_argument("--steps", type=int, default=6000, help=f"steps of {BATCH_TOKENS} tokens")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="the learning rate reaches 0 by then")
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    if flags.check:
        sys.exit(0 if check_gradients(flags.seed) else 1)
    encoder = Encoder(flags.model / "tokenizer.json")
    config = model_config(len(encoder.ids))
    train_texts, held_out_texts = corpus.split(flags.text)
    train_ids, held_out_ids = stream(train_texts, encoder), stream(held_out_texts, encoder)
    flat, steps = train(flags, config, train_ids)
    params = views(flat, config)
    np.savez(flags.checkpoint, steps=steps, **params)
    (flags.model / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    print(f"\n{flat.size} parameters, {steps} steps of {BATCH_TOKENS} tokens, {len(train_ids)} training tokens")
    loss = evaluate(Gpt2(config, params), held_out_ids)
    bits = loss * len(held_out_ids) / sum(len(t.encode("utf-8")) for t in held_out_texts) / np.log(2)
    print(f"held out: {len(held_out_ids)} tokens, loss {loss:.4f} nats, perplexity {np.exp(loss):.2f} per token, "
          f"{bits:.3f} bits per byte")


if __name__ == "__main__":
    main()
