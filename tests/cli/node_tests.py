#!/usr/bin/env python3
"""Runs the standard's backend tests and compares with the list of what is not supported yet.

    node_tests.py SARDONYX ARCHIVE.tar.xz WORK_FOLDER UNSUPPORTED.txt [--write]

Fails when a test that is not listed does not pass, and when a listed one passes. --write rewrites the list.
Exit code 77 where the archive is absent.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

OUT_OF_SCOPE = ("test_training_dropout", "test_adagrad", "test_adam", "test_momentum", "test_nesterov")


def verdicts(program, folders):
    """Yields (name, status, detail); a crash costs the one test it happens in."""
    left = list(folders)
    while left:
        process = subprocess.run([program, "test-onnx", "--json", "--threads", "2", *map(str, left)], capture_output=True, text=True)
        lines = [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]
        for folder, line in zip(left, lines):
            yield f"{folder.parent.name}/{folder.name}", line["status"], line["detail"]
        if len(lines) < len(left):
            folder = left[len(lines)]
            yield f"{folder.parent.name}/{folder.name}", "crash", f"exit code {process.returncode}"
        left = left[len(lines) + 1:]


def main():
    program, archive, work, listed = sys.argv[1], *map(pathlib.Path, sys.argv[2:5])
    if not archive.exists():
        print(f"skipped: {archive} is absent")
        return 77
    if not (work / "node").exists():
        with tarfile.open(archive) as tar:
            tar.extractall(work)
    folders = sorted(p.parent for p in work.glob("**/model.onnx") if not p.parent.name.startswith(OUT_OF_SCOPE))
    expected = {line.split("#")[0].strip() for line in listed.read_text().splitlines()} - {""} if listed.exists() else set()
    results = list(verdicts(program, folders))
    missing = {name: f"{status}: {detail}" for name, status, detail in results if status != "pass"}
    if "--write" in sys.argv:
        head = "# Backend tests that do not pass yet, and why; the test fails when this list is too long or too short.\n"
        reasons = {name: re.sub(r"^.*does not have: (\S+).*$", r"\1 is missing", why) for name, why in missing.items()}
        listed.write_text(head + "".join(f"{name}  # {reasons[name]}\n" for name in sorted(missing)))
        print(f"{len(results)} tests, {len(missing)} do not pass")
        return 0
    wrong = sorted(set(missing) - expected)
    better = sorted(name for name, status, _ in results if status == "pass" and name in expected)
    for name in wrong:
        print(f"FAIL {name}: {missing[name]}")
    for name in better:
        print(f"PASSES but is listed in {listed.name}: {name}")
    print(f"{len(results)} tests, {len(results) - len(missing)} pass, {len(wrong)} unexpected, {len(better)} listed in vain")
    return 1 if wrong or better else 0


if __name__ == "__main__":
    sys.exit(main())
