#!/usr/bin/env python3
"""Checks what the compiler does not: includes against the levels, SIMD headers, and the size budgets of files."""
import re
import subprocess
import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
LEVELS = {"base": 0, "tensor": 1, "onnx": 1, "text": 1, "kernels": 2, "ir": 2, "media": 2, "ops": 3, "import": 4,
          "rewrite": 4, "plan": 4, "engine": 5, "peer": 2, "measure": 6, "generate": 6, "pipelines": 7, "api": 8, "cli": 8, "server": 8}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)
SIMD = re.compile(r"(^|/)(immintrin|arm_neon|x86intrin)\.h$|^hwy/")
problems = []


def check_includes(path, text):
    folder = path.parts[1]
    for quote, name in INCLUDE.findall(text):
        target = name.split("/")[0]
        if ".." in name:
            problems.append(f"{path}: includes {name}; use the folder's name")
        if SIMD.search(name) and folder != "kernels":
            problems.append(f"{path}: includes {name}; SIMD headers belong under src/kernels")
        if quote == '"' and target in LEVELS and target != folder and LEVELS[target] >= LEVELS[folder] and folder != "cli":
            problems.append(f"{path}: level {LEVELS[folder]} ({folder}) includes level {LEVELS[target]} ({target})")
        if target == "sardonyx" and LEVELS[folder] < 8:
            problems.append(f"{path}: includes a public header below level 8")


def main():
    names = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split("\n")
    code = [Path(n) for n in names if n.endswith((".cc", ".h", ".inc", ".py", ".sh", ".mjs"))]
    lengths = []
    for path in code:
        text = (root / path).read_text(encoding="utf-8")
        lengths.append((text.count("\n"), str(path)))
        if path.parts[0] == "src" and path.suffix in (".cc", ".h"):
            check_includes(path, text)
            if not text.startswith("//"):
                problems.append(f"{path}: line 1 must say in one sentence what the file is")
    lengths.sort(reverse=True)
    problems.extend(f"{name}: {lines} lines; the limit is 1000" for lines, name in lengths if lines > 1000)
    long = [name for lines, name in lengths if lines > 600]
    if len(long) * 10 > len(lengths):
        problems.append(f"{len(long)} of {len(lengths)} files have over 600 lines; at most a tenth may")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(lengths)} files, {len(problems)} problems")
    return 1 if problems else 0


sys.exit(main())
