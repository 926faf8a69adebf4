#!/usr/bin/env python3
"""Checks what scripts rely on in tokenize and detokenize: tokenize_test.py SARDONYX."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TOKENIZER = {
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "added_tokens": [{"id": i, "content": token, "special": True, "normalized": False} for i, token in ((0, "[PAD]"), (1, "[CLS]"), (2, "[SEP]"))],
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False},
    "model": {"type": "WordPiece", "unk_token": "u", "vocab": {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "b": 4, "##c": 5, "u": 6}},
}


def main():
    program = sys.argv[1]
    failures = []

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tokenizer.json").write_text(json.dumps(TOKENIZER))

        def call(*args, lines="", code=0):
            command = [program, args[0], folder, *args[1:]]
            result = subprocess.run(command, input=lines.encode("utf-8", "surrogateescape"), capture_output=True)
            if result.returncode != code:
                failures.append(f"{args}: exit code {result.returncode}, expected {code}: {result.stderr.decode()}")
            return [json.loads(line) for line in result.stdout.decode().splitlines()] if code != 2 else []

        def check(what, actual, expected):
            if actual != expected:
                failures.append(f"{what}: {actual}, expected {expected}")

        def ids(answers):
            return [answer["ids"] for answer in answers]

        one = call("tokenize", "--json", lines="a bc é\n")[0]
        check("the members of an object", sorted(one), sorted(
            ["ids", "tokens", "type_ids", "attention_mask", "special_tokens_mask", "offsets", "word_ids"]))
        check("ids", one["ids"], [1, 3, 4, 5, 6, 2])
        check("tokens", one["tokens"], ["[CLS]", "a", "b", "##c", "u", "[SEP]"])
        check("offsets", one["offsets"], [[0, 0], [0, 1], [2, 3], [3, 4], [5, 6], [0, 0]])
        check("word ids", one["word_ids"], [None, 0, 1, 1, 2, None])
        check("pairs and newlines", ids(call("tokenize", "--jsonl", "--json", lines='["a\\nb","b"]\n"a"\n["a"]\n')),
              [[1, 3, 4, 2, 4, 2], [1, 3, 2], [1, 3, 2]])
        check("no special tokens", ids(call("tokenize", "--json", "--no-special-tokens", lines="a\n\n")), [[3], []])
        check("padding to the longest line", ids(call("tokenize", "--json", "--padding", "longest", lines="a\na a a\n")),
              [[1, 3, 2, 0, 0], [1, 3, 3, 3, 2]])
        check("padding without a value", ids(call("tokenize", "--padding", "--json", lines="a\na a\n")), [[1, 3, 2, 0], [1, 3, 3, 2]])
        check("padding to a number", ids(call("tokenize", "--json", "--padding", "4", "--padding-side", "left", lines="a\n")), [[0, 1, 3, 2]])
        check("padding to max_length", ids(call("tokenize", "--json", "--padding", "max_length", "--max-length", "4", lines="a\na a a\n")),
              [[1, 3, 2, 0], [1, 3, 3, 2]])
        windows = call("tokenize", "--json", "--max-length", "4", "--stride", "1", lines="a b a b\n")[0]
        check("windows", [windows["ids"]] + ids(windows["overflowing"]), [[1, 3, 4, 2], [1, 4, 3, 2], [1, 3, 4, 2]])
        check("invalid bytes", call("tokenize", "--json", lines="\udcff\n")[0]["ids"], [1, 6, 2])
        broken = call("tokenize", "--jsonl", "--json", lines='"a"\nx\n"b"\n', code=1)
        check("a line that is no JSON", ["error" in answer for answer in broken], [False, True, False])
        call("tokenize", "--json", "--padding", "max_length", lines="a\n", code=2)
        call("tokenize", "--json", "--padding", "sometimes", lines="a\n", code=2)
        check("decoding", call("detokenize", "--json", lines="[1,3,4,5,2]\n[]\n"), ["[CLS] a bc [SEP]", ""])
        check("decoding without special tokens", call("detokenize", "--json", "--skip-special-tokens", lines="[1,3,4,5,2]\n"), ["a bc"])
        check("ids that are none", ["error" in str(a) for a in call("detokenize", "--json", lines='["a"]\n[-1]\n[3]\n', code=1)], [True, True, False])
        def refused(path, says, code):
            for command in (("tokenize", path, "a"), ("detokenize", path, "1")):
                result = subprocess.run([program, *command], capture_output=True, text=True, timeout=60)
                lines = result.stderr.splitlines()
                if result.returncode != code or len(lines) != 1 or says not in lines[0]:
                    failures.append(f"{command}: exit code {result.returncode}, expected {code}; {result.stderr}")

        if os.path.exists("/dev/full"):
            with open("/dev/full", "w") as full:
                result = subprocess.run([program, "tokenize", folder, "a"], stdout=full, stderr=subprocess.PIPE, text=True)
            check("a full disk", (result.returncode, "standard output" in result.stderr), (1, True))

        inside = Path(folder) / "inside"
        inside.mkdir()
        refused(f"{folder}/missing", "No such file", 1)
        refused(f"{inside}", "holds no tokenizer.json", 1)
        refused("/dev/null", "must be a regular file", 1)
        os.mkfifo(f"{folder}/pipe")
        refused(f"{folder}/pipe", "must be a regular file", 1)
        (inside / "tokenizer.json").write_text("{")
        refused(f"{inside}", "not valid JSON", 3)
        unread = Path(folder) / "unread.json"
        unread.write_text("{}")
        unread.chmod(0)
        if not os.access(unread, os.R_OK):
            refused(f"{unread}", "Permission denied", 1)

    for failure in failures:
        print("FAIL", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
