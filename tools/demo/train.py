"""Trains the demo model with AdamW: writes a checkpoint (.npz, weights in half precision) and config.json."""
import argparse
import json
import math
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

import corpus
from gpt2 import Gpt2, initialise
from train_tokenizer import CONTEXT, END_OF_TEXT, Encoder

BATCH = 8
LEARNING_RATE = 1.5e-3
WARMUP = 200
BETAS = (0.9, 0.98)
WEIGHT_DECAY = 0.1
DROPOUT = 0.1


def model_config(vocabulary):
    """The config.json of the model; the end-of-text token is the last one."""
    return {"activation_function": "gelu", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.0,
            "bos_token_id": vocabulary - 1, "embd_pdrop": DROPOUT, "eos_token_id": vocabulary - 1,
            "initializer_range": 0.02, "layer_norm_epsilon": 1e-5, "model_type": "gpt2", "n_ctx": CONTEXT,
            "n_embd": 256, "n_head": 4, "n_inner": None, "n_layer": 4, "n_positions": CONTEXT,
            "reorder_and_upcast_attn": False, "resid_pdrop": DROPOUT, "scale_attn_by_inverse_layer_idx": False,
            "scale_attn_weights": True, "tie_word_embeddings": True, "torch_dtype": "float16", "use_cache": True,
            "vocab_size": vocabulary}


def stream(texts, encoder):
    """The ids of all texts, each text after an end-of-text token."""
    end = encoder.ids[END_OF_TEXT]
    return torch.tensor([i for text in texts for i in (end, *encoder.encode(text))])


def evaluate(model, ids, rows=8):
    """Mean cross entropy over the ids cut into full contexts."""
    count = (len(ids) - 1) // CONTEXT
    inputs = ids[:count * CONTEXT].view(count, CONTEXT)
    targets = ids[1:count * CONTEXT + 1].view(count, CONTEXT)
    with torch.no_grad():
        losses = [model.loss(inputs[i:i + rows], targets[i:i + rows]) * len(inputs[i:i + rows])
                  for i in range(0, count, rows)]
    return float(sum(losses) / count)


def batch(ids, generator):
    """(inputs, targets) [BATCH, CONTEXT] at random positions."""
    at = torch.randint(len(ids) - CONTEXT, (BATCH, 1), generator=generator)
    windows = ids[at + torch.arange(CONTEXT + 1)]
    return windows[:, :-1], windows[:, 1:]


def optimiser(params):
    """AdamW (Loshchilov and Hutter 2019) that lets matrices decay."""
    matrices = [p for p in params.values() if p.ndim > 1]
    others = [p for p in params.values() if p.ndim == 1]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
                             lr=LEARNING_RATE, betas=BETAS)


def rate(step, progress):
    """A cosine from the full learning rate to a hundredth of it, after a linear warm-up."""
    return LEARNING_RATE * min((step + 1) / WARMUP, 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


def save(path, params, steps):
    np.savez(path, steps=steps, **{name: p.detach().half().numpy() for name, p in params.items()})


class Progress:
    """How far the training is, by steps or by time, whatever is farther; shown on standard error."""

    def __init__(self, steps, minutes):
        self.steps, self.seconds, self.started, self.smooth = steps, 60 * minutes, time.monotonic(), None

    def passed(self, step):
        return max(step / self.steps, (time.monotonic() - self.started) / self.seconds)

    def show(self, step, loss):
        self.smooth = loss if self.smooth is None else 0.98 * self.smooth + 0.02 * loss
        if step % 10 == 0:
            seconds = time.monotonic() - self.started
            print(f"\rstep {step}, {100 * self.passed(step):.1f} %, loss {self.smooth:.3f}, {seconds:.0f} s ", end="",
                  file=sys.stderr, flush=True)


def train(flags, config, ids, held_out):
    """Returns (parameters, steps done); SIGINT or SIGTERM ends the training after the current step."""
    generator = torch.Generator().manual_seed(flags.seed)
    torch.manual_seed(flags.seed)
    params = initialise(config, generator)
    products = getattr(torch, flags.products)
    model, steady = Gpt2(config, params, products, DROPOUT), Gpt2(config, params, products)
    optimise, progress = optimiser(params), Progress(flags.steps, flags.minutes)
    stopped = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.append(True))
    step = 0
    while not stopped and progress.passed(step) < 1:
        for group in optimise.param_groups:
            group["lr"] = rate(step, progress.passed(step))
        loss = model.loss(*batch(ids, generator))
        optimise.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
        optimise.step()
        step += 1
        progress.show(step, float(loss))
        if step % 500 == 0:
            save(flags.checkpoint, params, step)
            print(f"held out: {evaluate(steady, held_out):.4f}", file=sys.stderr, flush=True)
    save(flags.checkpoint, params, step)
    return params, step


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", default="/", help="where the text package is unpacked")
    parser.add_argument("--model", type=Path, help="the model's folder, with its tokenizer.json")
    parser.add_argument("--checkpoint", type=Path, help="the .npz archive to write")
    parser.add_argument("--steps", type=int, default=8300, help=f"steps of {BATCH * CONTEXT} tokens")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="the learning rate reaches its end by then")
    parser.add_argument("--products", default="bfloat16", choices=("bfloat16", "float32"),
                        help="what products are computed in; bfloat16 is fast where the processor has it")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    encoder = Encoder(flags.model / "tokenizer.json")
    config = model_config(len(encoder.ids))
    train_texts, held_out_texts = corpus.split(flags.text)
    train_ids, held_out_ids = stream(train_texts, encoder), stream(held_out_texts, encoder)
    params, steps = train(flags, config, train_ids, held_out_ids)
    (flags.model / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    count = sum(p.numel() for p in params.values())
    print(f"\n{count} parameters, {steps} steps of {BATCH * CONTEXT} tokens, {len(train_ids)} training tokens")
    # What is measured is what is exported: weights in half precision, everything else in float32.
    loss = evaluate(Gpt2(config, {name: p.detach().half().float() for name, p in params.items()}), held_out_ids)
    bits = loss * len(held_out_ids) / sum(len(t.encode("utf-8")) for t in held_out_texts) / math.log(2)
    print(f"held out: {len(held_out_ids)} tokens, loss {loss:.4f} nats, perplexity {math.exp(loss):.2f} per token, "
          f"{bits:.3f} bits per byte")


if __name__ == "__main__":
    main()
