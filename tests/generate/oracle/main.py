#!/usr/bin/env python3
"""Compares `sardonyx generate` with the reference on random arguments: main.py SARDONYX [CASES [SEED]].

Exit code 77 without numpy. A failure prints its seed, which replays it as the only case.
"""
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("skipped: numpy is missing")
    sys.exit(77)

from reference import Tie, generate
from tiny_gpt2 import CONFIG, Model, parameters, write

VOCABULARY, PAD = CONFIG["vocab_size"], 59


class Case:
    """Prompts, a mask and arguments drawn from a seed."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        batch, length = self.draw.choice([1, 1, 2, 3]), self.draw.choice([1, 2, 3, 5, 9])
        words = range(VOCABULARY - 1) if self.draw.random() < 0.6 else [7, 8, 9]
        self.prompts = [[self.draw.choice(words) for _ in range(length)] for _ in range(batch)]
        self.mask = None
        if self.draw.random() < 0.5:
            self._pad(batch, length)
        self.arguments = {"num_beams": self.draw.choice([1, 1, 2, 3, 4]), "eos_token_id": self._eos()}
        self.arguments["max_new_tokens"] = self.draw.choice([1, 2, 8, 16])
        self._search()
        self._processors()

    def _pad(self, batch, length):
        hidden = [0] + [self.draw.randrange(length) for _ in range(batch - 1)]
        self.mask = [[0] * n + [1] * (length - n) for n in hidden]
        for row, n in zip(self.prompts, hidden):
            row[:n] = [PAD] * n
        if self.draw.random() < 0.3:
            for row in self.mask:
                row[self.draw.randrange(length)] = 0  # anywhere: positions count what is seen
                row[-1] = int(self.draw.random() < 0.7 or not any(row[:-1]))

    def token(self):
        return self.draw.randrange(VOCABULARY)

    def _eos(self):
        return self.draw.choice([self.token(), [self.token(), self.token()], list(range(0, VOCABULARY, 6))])

    def maybe(self, chance, name, *values):
        if self.draw.random() < chance:
            value = self.draw.choice(values)
            self.arguments[name] = value() if callable(value) else value

    def _search(self):
        beams = self.arguments["num_beams"]
        if beams > 1:
            self.maybe(0.6, "early_stopping", True, False, "never")
            self.maybe(0.6, "length_penalty", 0.0, 0.5, 2.0, -1.0)
            self.maybe(0.5, "num_return_sequences", lambda: self.draw.randint(1, beams))
            if beams in (2, 4) and self.draw.random() < 0.4:
                self.arguments.update(num_beam_groups=self.draw.choice([2, beams]), diversity_penalty=0.8)
        elif self.draw.random() < 0.3:
            self.arguments.update(penalty_alpha=self.draw.choice([0.3, 0.6]), top_k=self.draw.choice([2, 4]))
        self.maybe(0.3, "pad_token_id", PAD, 0)

    def _processors(self):
        tokens = lambda: [self.token() for _ in range(self.draw.choice([1, 10]))]  # noqa: E731
        self.maybe(0.25, "repetition_penalty", 1.3, 0.8)
        self.maybe(0.2, "encoder_repetition_penalty", 1.5, 0.7)
        self.maybe(0.2, "no_repeat_ngram_size", 1, 2, 3)
        self.maybe(0.2, "bad_words_ids", lambda: [[self.token() for _ in range(n)] for n in (1, 1, 2, 3)])
        self.maybe(0.2, "sequence_bias", lambda: [[[self.token()], 2.5], [[self.token(), self.token()], -4.0]])
        self.maybe(0.15, "suppress_tokens", tokens)
        self.maybe(0.15, "begin_suppress_tokens", tokens)
        self.maybe(0.15, "forced_bos_token_id", self.token)
        self.maybe(0.2, "forced_eos_token_id", 5, lambda: [5, 6])
        self.maybe(0.15, "forced_decoder_ids", lambda: [[i, self.token()] for i in range(1, 4)])
        self.maybe(0.15, "renormalize_logits", True)
        if self.draw.random() < 0.3:
            self.maybe(0.7, "min_length", 4, 12)
            self.maybe(0.7, "min_new_tokens", 2, 9)
        elif not {"suppress_tokens", "bad_words_ids", "forced_bos_token_id", "no_repeat_ngram_size",
                  "begin_suppress_tokens", "forced_eos_token_id"} & set(self.arguments):
            # Of forbidden end tokens the library makes NaN with this one.
            self.maybe(0.4, "exponential_decay_length_penalty", [0, 1.5], [3, 1.2])


def run(program, folder, case):
    """What the program prints, as a dict."""
    layout, threads = case.draw.choice(["single", "no-past"]), case.draw.choice(["1", "2", "4"])
    command = [program, "generate", str(folder), "--json", "--layout", layout, "--threads", threads, "--ids",
               json.dumps(case.prompts)]
    if case.mask:
        command += ["--mask", json.dumps(case.mask)]
    for name, value in case.arguments.items():
        command += ["--set", f"{name}={json.dumps(value)}"]
    result = subprocess.run(command, capture_output=True, encoding="utf-8")
    return json.loads(result.stdout) if result.returncode == 0 else {"error": result.stderr}


def agrees(got, sequences, scores):
    if got.get("sequences") != sequences:
        return False
    # Where everything was forbidden there is no score: JSON has null for it.
    got_scores = [-np.inf if s is None else s for s in got["scores"]]
    return scores is None or np.allclose(got_scores, np.where(np.isfinite(scores), scores, -np.inf), 1e-3, 1e-3)


def main():
    program, cases = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60
    seeds = [int(sys.argv[3])] if len(sys.argv) > 3 else range(cases)
    params, compared, failed = parameters(5), 0, 0
    model = Model(params)
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp) / "gpt2"
        write(folder, params)
        for seed in seeds:
            case = Case(seed)
            try:
                sequences, scores = generate(model, case.prompts, case.mask, case.arguments)
            except Tie:
                continue
            compared += 1
            got = run(program, folder, case)
            if agrees(got, sequences, scores):
                continue
            failed += 1
            print(f"FAIL seed {seed}: {case.prompts} mask {case.mask} {case.arguments}\n  got    {got}\n"
                  f"  wanted {sequences} {scores}")
    print(f"{compared} compared, {len(seeds) - compared} ties, {failed} failed")
    sys.exit(1 if failed or compared < len(seeds) // 2 else 0)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
