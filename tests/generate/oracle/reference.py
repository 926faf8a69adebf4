"""What transformers' generate() (4.33) does with a decoder-only model, written down plainly in numpy and double precision.

Rows are never dropped and nothing is cached: `logits(ids, mask)` gives [rows, vocabulary] and hidden states
[rows, tokens, width] for whole sequences. Ties make a result meaningless in single precision: they raise Tie.
"""
import numpy as np

FORBIDDEN = -np.inf
CLOSE = 1e-4
DEFAULTS = {
    "max_length": 20, "max_new_tokens": None, "min_length": 0, "min_new_tokens": None, "early_stopping": False,
    "num_beams": 1, "num_beam_groups": 1, "penalty_alpha": None, "top_k": 50, "diversity_penalty": 0.0,
    "repetition_penalty": 1.0, "encoder_repetition_penalty": 1.0, "length_penalty": 1.0, "no_repeat_ngram_size": 0,
    "bad_words_ids": None, "sequence_bias": None, "renormalize_logits": False, "forced_bos_token_id": None,
    "forced_eos_token_id": None, "exponential_decay_length_penalty": None, "suppress_tokens": None,
    "begin_suppress_tokens": None, "forced_decoder_ids": None, "num_return_sequences": 1, "pad_token_id": None,
    "eos_token_id": None}


class Tie(Exception):
    """Two candidates are too close to tell which one single precision prefers, or no numbers at all."""


def as_list(value):
    return [] if value is None else value if isinstance(value, list) else [value]


def log_softmax(x):
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def best(scores, count):
    """(scores, indices) of the greatest, refusing those that are nearly equal."""
    order = np.argsort(-scores, kind="stable")[:count + 1]
    values = scores[order]
    if np.isnan(values).any():
        raise Tie
    real = values[values > -1e8]
    if len(real) > 1 and (real[:-1] - real[1:]).min() < CLOSE:
        raise Tie
    return values[:count], order[:count]


class Processors:
    """Applies to scores [rows, vocabulary] what the arguments ask for, in the library's order."""

    def __init__(self, arguments, prompts):
        self.a, self.prompts, self.length = arguments, prompts, prompts.shape[1]
        self.eos = as_list(arguments["eos_token_id"])

    def __call__(self, ids, scores, taken=None, group=0):
        scores = scores.copy()
        for step in (self._bias, self._diversity, self._penalties, self._ngrams, self._bad_words, self._lengths,
                     self._forced, self._decay, self._suppressed, self._forced_ids):
            step(ids, scores, taken, group)
        return log_softmax(scores) if self.a["renormalize_logits"] else scores

    def _add(self, ids, scores, sequences):
        total = np.zeros_like(scores)
        for tokens, bias in sequences:
            rows = np.full(len(ids), True)
            if len(tokens) > 1:
                rows &= len(tokens) <= ids.shape[1]
                rows &= (ids[:, -(len(tokens) - 1):] == np.array(tokens[:-1])).all(1) if rows.any() else False
            total[rows, tokens[-1]] += bias
        scores += total

    def _bias(self, ids, scores, *_):
        if self.a["sequence_bias"]:
            self._add(ids, scores, self.a["sequence_bias"])

    def _diversity(self, ids, scores, taken, group):
        size = self.a["num_beams"] // self.a["num_beam_groups"]
        for prompt in range(len(scores) // size if group else 0):
            begin = prompt * self.a["num_beams"]
            counts = np.bincount(taken[begin:begin + group * size], minlength=scores.shape[1])
            scores[prompt * size:(prompt + 1) * size] -= self.a["diversity_penalty"] * counts

    @staticmethod
    def _penalize(row, tokens, penalty):
        tokens = np.unique(tokens)
        row[tokens] = np.where(row[tokens] < 0, row[tokens] * penalty, row[tokens] / penalty)

    def _penalties(self, ids, scores, *_):
        # The library does not repeat the prompts for beams, so that row i is the one that meets prompt i.
        for row, prompt in zip(scores, self.prompts):
            self._penalize(row, prompt, 1 / self.a["encoder_repetition_penalty"])
        for row, tokens in zip(scores, ids):
            self._penalize(row, tokens, self.a["repetition_penalty"])

    def _ngrams(self, ids, scores, *_):
        n = self.a["no_repeat_ngram_size"]
        for row, tokens in zip(scores, ids.tolist()):
            for i in range(len(tokens) - n + 1 if n else 0):
                if tokens[i:i + n - 1] == tokens[len(tokens) + 1 - n:]:
                    row[tokens[i + n - 1]] = FORBIDDEN

    def _bad_words(self, ids, scores, *_):
        words = {tuple(w) for w in as_list(self.a["bad_words_ids"]) if w not in [[e] for e in self.eos]}
        self._add(ids, scores, [(w, FORBIDDEN) for w in words])

    def _lengths(self, ids, scores, *_):
        if ids.shape[1] < max(self.a["min_length"], self.length + (self.a["min_new_tokens"] or 0)):
            scores[:, self.eos] = FORBIDDEN

    @staticmethod
    def _force(scores, tokens):
        scores[:] = FORBIDDEN
        scores[:, tokens] = 0

    def _forced(self, ids, scores, *_):
        if ids.shape[1] == 1 and self.a["forced_bos_token_id"] is not None:
            self._force(scores, self.a["forced_bos_token_id"])
        if ids.shape[1] == self.a["max_length"] - 1 and self.a["forced_eos_token_id"] is not None:
            self._force(scores, self.a["forced_eos_token_id"])

    def _decay(self, ids, scores, *_):
        if self.a["exponential_decay_length_penalty"] is not None:
            start, factor = self.a["exponential_decay_length_penalty"]
            past = ids.shape[1] - start - self.length
            for token in self.eos if past > 0 else []:
                scores[:, token] += np.abs(scores[:, token]) * (factor**past - 1)

    def _suppressed(self, ids, scores, *_):
        scores[:, as_list(self.a["suppress_tokens"])] = FORBIDDEN
        begin = self.length + (self.length == 1 and self.a["forced_bos_token_id"] is not None)
        if self.a["forced_decoder_ids"]:
            begin += self.a["forced_decoder_ids"][-1][0]
        if ids.shape[1] == begin:
            scores[:, as_list(self.a["begin_suppress_tokens"])] = FORBIDDEN

    def _forced_ids(self, ids, scores, *_):
        token = dict(map(tuple, self.a["forced_decoder_ids"] or [])).get(ids.shape[1])
        if token is not None:
            self._force(scores, token)


class Hypotheses:
    """The finished sequences of a group of beams."""

    def __init__(self, count, arguments):
        self.count, self.a, self.found, self.worst = count, arguments, [], np.inf

    def add(self, ids, total):
        score = total / len(ids)**self.a["length_penalty"]
        if len(self.found) == self.count and score <= self.worst:
            return
        self.found.append((score, ids))
        if len(self.found) > self.count:
            self.found.remove(min(self.found, key=lambda f: f[0]))
        self.worst = min(f[0] for f in self.found)

    def done(self, total, length):
        if len(self.found) < self.count or self.a["early_stopping"] is True:
            return len(self.found) == self.count
        if self.a["early_stopping"] == "never" and self.a["length_penalty"] > 0:
            length = self.a["max_length"]
        return self.worst >= total / length**self.a["length_penalty"]


class Run:
    """One call of generate(): greedy, contrastive or beam search."""

    def __init__(self, logits, prompts, mask, arguments):
        self.a = {**DEFAULTS, **arguments}
        self.eos = as_list(self.a["eos_token_id"])
        prompts = np.array(prompts)
        padded = self.a["pad_token_id"] is not None and self.a["pad_token_id"] not in self.eos
        if mask is None:
            mask = prompts != self.a["pad_token_id"] if padded else np.ones_like(prompts)
        if self.a["pad_token_id"] is None and self.eos:
            self.a["pad_token_id"] = self.eos[0]
        if self.a["max_new_tokens"] is not None:
            self.a["max_length"] = prompts.shape[1] + self.a["max_new_tokens"]
        self.prompts, self.mask = prompts, np.array(mask, int)
        self.model, self.processors = logits, Processors(self.a, prompts)

    def call(self, ids, prompts):
        """(logits, hidden states) of rows that continue these prompts."""
        more = np.ones((len(ids), ids.shape[1] - self.mask.shape[1]), int)
        return self.model(ids, np.concatenate([self.mask[prompts], more], 1))

    def greedy(self):
        """Greedy or, with penalty_alpha, contrastive search."""
        ids, running = self.prompts, np.full(len(self.prompts), True)
        while running.any() and ids.shape[1] < self.a["max_length"]:
            logits, hidden = self.call(ids, np.arange(len(ids)))
            scores = self.processors(ids, logits)
            token = np.full(len(ids), self.a["pad_token_id"] if self.eos else 0)
            for row in np.flatnonzero(running):
                token[row] = self._contrast(ids, row, scores[row], hidden[row]) if self.a["penalty_alpha"] else \
                    best(scores[row], 1)[1][0]
            ids = np.concatenate([ids, token[:, None]], 1)
            running &= ~np.isin(token, self.eos)
        return ids.tolist(), None

    def _contrast(self, ids, row, scores, hidden):
        real = np.concatenate([self.mask[row], np.ones(ids.shape[1] - self.mask.shape[1])]) > 0
        unit = hidden[real] / np.linalg.norm(hidden[real], axis=-1, keepdims=True)
        logprobs, tokens = best(log_softmax(scores), self.a["top_k"])
        result = []
        for logprob, token in zip(logprobs, tokens):
            state = self.call(np.append(ids[row], token)[None], [row])[1][0, -1]
            cosine = (unit @ state / np.linalg.norm(state)).max()
            result.append((1 - self.a["penalty_alpha"]) * np.exp(logprob) - self.a["penalty_alpha"] * cosine)
        return tokens[best(np.array(result), 1)[1][0]]

    def beams(self):
        """Beam search, with groups."""
        batch, beams, groups = len(self.prompts), self.a["num_beams"], self.a["num_beam_groups"]
        size = beams // groups
        self.finished = [[Hypotheses(size, self.a) for _ in range(groups)] for _ in range(batch)]
        self.done = np.zeros((batch, groups), bool)
        ids, prompts = np.repeat(self.prompts, beams, 0), np.repeat(np.arange(batch), beams)
        totals = np.tile(np.where(np.arange(beams) % size == 0, 0.0, -1e9), batch)
        while not self.done.all() and ids.shape[1] < self.a["max_length"]:
            logprobs = log_softmax(self.call(ids, prompts)[0])
            ids, totals = self._advance(ids, totals, logprobs)
        for row, (tokens, total) in enumerate(zip(ids.tolist(), totals)):
            prompt, group = row // beams, row % beams // size
            if not self.done[prompt, group]:
                self.finished[prompt][group].add(tokens, total)
        return self._results()

    def _advance(self, ids, totals, logprobs):
        batch, beams = len(self.prompts), self.a["num_beams"]
        size = beams // self.a["num_beam_groups"]
        after, new_totals = np.zeros((len(ids), ids.shape[1] + 1), int), np.zeros(len(ids))
        for group in range(self.a["num_beam_groups"]):
            rows = np.concatenate([np.arange(size) + p * beams + group * size for p in range(batch)])
            scores = self.processors(ids[rows], logprobs[rows], after[:, -1], group) + totals[rows][:, None]
            for prompt in range(batch):
                first = prompt * beams + group * size
                if self.done[prompt, group]:
                    after[first:first + size, -1] = self.a["pad_token_id"]
                    continue
                own = scores[prompt * size:(prompt + 1) * size].reshape(-1)
                self._take((prompt, group), own, ids, (after, new_totals))
        return after, new_totals

    def _take(self, place, scores, ids, out):
        prompt, group = place
        after, new_totals = out
        size = self.a["num_beams"] // self.a["num_beam_groups"]
        first, width, taken = prompt * self.a["num_beams"] + group * size, len(scores) // size, 0
        values, order = best(scores, max(2, 1 + len(self.eos)) * size)
        for rank, (score, index) in enumerate(zip(values, order)):
            parent, token = ids[first + index // width], int(index % width)
            if token in self.eos:
                if rank < size:
                    self.finished[prompt][group].add(parent.tolist(), score)
            elif taken < size:
                after[first + taken], new_totals[first + taken] = np.append(parent, token), score
                taken += 1
                if taken == size:
                    break
        self.done[prompt, group] |= self.finished[prompt][group].done(values[0], ids.shape[1] + 1)

    def _results(self):
        found = []
        for groups in self.finished:
            ranked = sorted((f for g in groups for f in g.found), key=lambda f: f[0])
            found += ranked[::-1][:self.a["num_return_sequences"]]
        length = min(max(len(ids) for _, ids in found) + 1, self.a["max_length"])
        rows = []
        for _, ids in found:
            ids = (ids + self.eos[:1])[:length]
            rows.append(ids + [self.a["pad_token_id"]] * (length - len(ids)))
        return rows, [score for score, _ in found]


def generate(logits, prompts, mask, arguments):
    """(sequences, scores of beams or None)"""
    run = Run(logits, prompts, mask, arguments)
    return run.beams() if run.a["num_beams"] > 1 else run.greedy()
