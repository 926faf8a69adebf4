#!/usr/bin/env python3
"""Checks `sardonyx generate` on the embedded model: generate_test.py SARDONYX MODEL_FOLDER."""
import json
import signal
import subprocess
import sys

program, model = sys.argv[1:3]
failures = []


def call(*args, code=0, text=None):
    result = subprocess.run([program, "generate", model, *args], capture_output=True, input=text or "", encoding="utf-8")
    if result.returncode != code:
        failures.append(f"{args}: exit code {result.returncode}, expected {code}: {result.stderr.strip()}")
    return result


def check(what, condition):
    if not condition:
        failures.append(what)


def sequences(ids, *args):
    out = call("--ids", json.dumps(ids), "--json", "--set", "max_new_tokens=12", *args).stdout
    return json.loads(out)["sequences"] if out else None


GREEDY = ("--set", "do_sample=false", "--set", "eos_token_id=null")


def check_contract():
    out = json.loads(call("--ids", "[[998, 304]]", "--json", "--set", "max_new_tokens=3", *GREEDY).stdout)
    check("sequences and scores, nothing else", list(out) == ["sequences", "scores"])
    check("the prompt comes first", out["sequences"][0][:2] == [998, 304] and len(out["sequences"][0]) == 5)
    out = json.loads(call("--ids", "[[998, 304]]", "--json", "--set", "max_new_tokens=3", "--set", "output_scores=true", *GREEDY).stdout)
    check("log-probabilities add up", abs(sum(out["token_logprobs"][0]) - out["scores"][0]) < 1e-6)
    error = json.loads(call("--ids", "[[1]]", "--set", "num_beam=4", "--json", code=1).stderr)
    check("an unknown argument is named", error["kind"] == "InvalidInput" and "'num_beam'" in error["message"])
    for bad in ("[1, 2]", "[[1.5]]", "[[", "{}"):
        call("--ids", bad, code=1)
    call("--ids", "[[1]]", "a prompt", code=1)
    call("--ids", "[[1]]", "--set", "max_new_tokens", code=1)
    call("--ids", "[[1]]", "--layout", "sideways", code=1)
    call("--no-such-flag", code=2)


def check_equalities():
    prompt = [[998, 304, 385]]
    for what in (GREEDY, ("--set", "num_beams=3", "--set", "do_sample=false"), ("--seed", "5")):
        wanted = sequences(prompt, "--threads", "1", *what)
        for other in (("--threads", "2"), ("--threads", "4"), ("--layout", "no-past"), ("--prefill-chunk", "2")):
            check(f"{what} is the same with {other}", sequences(prompt, *other, *what) == wanted)
    padded = sequences([[1023, 998, 304], [998, 304, 385]], "--mask", "[[0, 1, 1], [1, 1, 1]]", *GREEDY)
    check("a padded row is what it is alone", padded[0][1:] == sequences([[998, 304]], *GREEDY)[0])
    check("a full row is what it is alone", padded[1] == sequences(prompt, *GREEDY)[0])
    plain = sequences(prompt, "--set", "max_new_tokens=60", *GREEDY)
    check("prompt lookup changes nothing", sequences(prompt, "--set", "max_new_tokens=60", "--set", "prompt_lookup_num_tokens=4", *GREEDY) == plain)


def check_text():
    args = ("--seed", "3", "--set", "max_new_tokens=20")
    text = call("She was very", *args).stdout
    check("streamed text is the decoded text", text == json.loads(call("She was very", "--json", *args).stdout)["text"][0] + "\n")
    check("standard input is a prompt", call(*args, text="She was very").stdout == text)
    stopped = call("She was very", *args, "--set", 'stop_strings=["' + text.split()[1] + '"]').stdout
    check("a stop string ends the text", len(stopped) < len(text) and text.startswith(stopped[:-1]))


def check_interrupt():
    # Prompts of one token make thousands of steps, so that the signal meets a running loop.
    process = subprocess.Popen([program, "generate", model, "She", "--layout", "no-past", "--set", "max_new_tokens=250", "--set", "eos_token_id=null"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    check("the first text comes before the end", first != b"")
    check(f"exit code {process.returncode} after an interrupt", process.returncode in (130, 0))
    check("what came is whole characters and a line", (first + rest).decode("utf-8").endswith("\n"))


check_contract()
check_equalities()
check_text()
check_interrupt()
for failure in failures:
    print("FAIL", failure)
sys.exit(1 if failures else 0)
