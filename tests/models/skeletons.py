#!/usr/bin/env python3
"""Hydrates the full-size models of the shared folder and compares with their recorded PyTorch results.

    skeletons.py SARDONYX SHARED WORK_FOLDER [NAME...]

Needs numpy and up to 4 GB of disk. Each model is written, run and deleted. Exit code 77 unless SARDONYX_TEST_ALL is set
or names are given, and where the models are absent.
"""
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

TOLERANCE, IMAGE_TOLERANCE = 1e-4, 1e-3


def load_hydrate(shared):
    spec = importlib.util.spec_from_file_location("hydrate", shared / "models" / "hydrate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_input(np, hydrate, entry, results):
    if "from_case" in entry:
        return results[entry["from_case"]][entry["output"]]
    if "zeros" in entry:
        return np.zeros(entry["zeros"], entry["dtype"])
    if "gen_normal_seed" in entry:
        count = int(np.prod(entry["shape"]))
        return hydrate.gen_normal(entry["gen_normal_seed"], count, entry["mean"], entry["std"]).reshape(entry["shape"])
    return np.array(entry["values"], entry["dtype"]).reshape(entry.get("shape", np.shape(entry["values"])))


def differences(np, case, got):
    limit = IMAGE_TOLERANCE if case["model"].startswith(("unet", "vae")) else TOLERANCE
    if case.get("random_output"):
        return
    for name, want in case["outputs"].items():
        if list(got[name].shape) != want["shape"]:
            yield f"{name}: shape {list(got[name].shape)} instead of {want['shape']}"
        elif "index" in want:
            off = np.abs(got[name].ravel()[want["index"]].astype(np.float64) - np.array(want["value"])).max()
            if not off <= limit * want["absmax"]:
                yield f"{name}: off by {off:.3g}, allowed {limit * want['absmax']:.3g}"


def run_case(np, program, model, case, inputs, work):
    np.savez(work / "in.npz", **inputs)
    command = [program, "run", str(model), "--inputs", str(work / "in.npz"), "--output", str(work / "out.npz")]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode != 0:
        return None, [process.stderr.strip()]
    got = dict(np.load(work / "out.npz"))
    return got, list(differences(np, case, got))


def main():
    program, shared, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    names = sys.argv[4:]
    root = shared / "models" / "skeleton"
    if not root.exists() or not (names or os.environ.get("SARDONYX_TEST_ALL")):
        print("skipped: set SARDONYX_TEST_ALL, and provide", root)
        return 77
    import numpy as np
    hydrate = load_hydrate(shared)
    failed = 0
    for folder in sorted(root.iterdir()):
        if folder.name.endswith("-quant") or (names and folder.name not in names):
            continue
        results, out = {}, work / folder.name
        out.mkdir(parents=True, exist_ok=True)
        cases = json.loads((folder / "expect.json").read_text())
        hydrated = None
        for case in cases:
            if hydrated != case["model"]:
                shutil.rmtree(out)
                out.mkdir()
                subprocess.run([sys.executable, shared / "models" / "hydrate.py", folder, "--out", out, "--only", case["model"]], check=True, capture_output=True)
                hydrated = case["model"]
            inputs = {name: make_input(np, hydrate, entry, results) for name, entry in case["inputs"].items()}
            results[case["case"]], problems = run_case(np, program, out / case["model"], case, inputs, work)
            print("FAIL" if problems else "pass", folder.name, case["model"], "case", case["case"], *problems, flush=True)
            failed += bool(problems)
        shutil.rmtree(out)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
