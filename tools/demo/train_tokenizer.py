"""Trains the byte-level BPE of the demo model and writes tokenizer.json and tokenizer_config.json."""
import argparse
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import corpus

END_OF_TEXT = "<|endoftext|>"
CONTEXT = 256
# GPT-2's pattern in terms of Python's re: [^\W\d_] stands for \p{L}, \d for \p{N}.
PIECE = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def byte_alphabet():
    """The printable character that stands for each byte: itself where printable, else from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in set(printable)]
    alphabet = {b: chr(b) for b in printable}
    alphabet.update({b: chr(0x100 + i) for i, b in enumerate(others)})
    return alphabet


ALPHABET = byte_alphabet()


def pieces(text):
    """The pre-tokens of a text, spelt in the byte alphabet."""
    return ["".join(ALPHABET[b] for b in piece.encode("utf-8")) for piece in PIECE.findall(text)]


def joined(symbols, pair):
    """The symbols with each occurrence of the pair made one, from left to right."""
    result, i = [], 0
    while i < len(symbols):
        if symbols[i:i + 2] == pair:
            result.append(pair[0] + pair[1])
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return tuple(result)


def train_merges(texts, count):
    """The `count` most frequent pairs one after another (Sennrich et al. 2016); ties go to the smaller pair."""
    frequency = Counter(piece for text in texts for piece in pieces(text))
    words = {word: tuple(word) for word in frequency}
    totals, holders = Counter(), defaultdict(set)

    def add(word, sign):
        for pair in zip(words[word], words[word][1:]):
            totals[pair] += sign * frequency[word]
            holders[pair].add(word)

    for word in words:
        add(word, 1)
    merges = []
    while len(merges) < count:
        pair = min(totals, key=lambda p: (-totals[p], p))
        merges.append(pair)
        for word in holders.pop(pair):
            add(word, -1)
            words[word] = joined(words[word], pair)
            add(word, 1)
        del totals[pair]
    return merges


class Encoder:
    """Encodes text with a tokenizer.json that this script wrote."""

    def __init__(self, path):
        model = json.loads(Path(path).read_text(encoding="utf-8"))["model"]
        self.ids = model["vocab"]
        self.ranks = {tuple(pair): rank for rank, pair in enumerate(model["merges"])}
        self.known = {}

    def _piece(self, piece):
        symbols = tuple(piece)
        while len(symbols) > 1:
            pair = min(zip(symbols, symbols[1:]), key=lambda p: self.ranks.get(p, len(self.ranks)))
            if pair not in self.ranks:
                break
            symbols = joined(symbols, pair)
        return [self.ids[s] for s in symbols]

    def encode(self, text):
        """The ids of a text without special tokens."""
        result = []
        for piece in pieces(text):
            if piece not in self.known:
                self.known[piece] = self._piece(piece)
            result += self.known[piece]
        return result


def tokenizer_json(merges):
    """The tokenizer.json of these merges: bytes first, then merges, the end-of-text token last, as in GPT-2."""
    vocab = {symbol: i for i, symbol in enumerate(sorted(ALPHABET.values()))}
    for left, right in merges:
        vocab[left + right] = len(vocab)
    vocab[END_OF_TEXT] = len(vocab)
    special = {"id": vocab[END_OF_TEXT], "content": END_OF_TEXT, "single_word": False, "lstrip": False,
               "rstrip": False, "normalized": True, "special": True}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [special], "normalizer": None,
            "pre_tokenizer": level, "post_processor": {**level, "trim_offsets": False},
            "decoder": {**level, "add_prefix_space": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": vocab, "merges": [list(pair) for pair in merges]}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", default="/", help="where the text package is unpacked")
    parser.add_argument("--model", type=Path, required=True, help="the model's folder")
    parser.add_argument("--vocabulary", type=int, default=2048, help="tokens, bytes and end of text included")
    flags = parser.parse_args()
    texts, _ = corpus.split(flags.text)
    merges = train_merges(texts, flags.vocabulary - 257)
    flags.model.mkdir(parents=True, exist_ok=True)
    config = {"add_prefix_space": False, "bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT,
              "unk_token": END_OF_TEXT, "clean_up_tokenization_spaces": False, "model_max_length": CONTEXT,
              "tokenizer_class": "GPT2Tokenizer"}
    for name, value in (("tokenizer.json", tokenizer_json(merges)), ("tokenizer_config.json", config)):
        text = json.dumps(value, ensure_ascii=False, indent=2)
        (flags.model / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
