#!/usr/bin/env python3
"""Runs the rows of rows.json: weights for the skeleton models, `sardonyx compare` on each, one table and page of all.

    bench.py SARDONYX [ROW...] [--pairs N] [--threads N] [--isa NAME] [--hydrated DIR] [--out DIR]
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def shared_folder():
    return Path(os.environ.get("SARDONYX_SHARED", ROOT.parent / "shared"))


def hydrate(model, name, folder):
    """A model file with its weights beside it; they are written where they are missing."""
    file = folder / model / name
    if not file.exists() or not list(file.parent.glob(file.name + "_data*")):
        models = shared_folder() / "models"
        if not (models / "hydrate.py").exists():
            sys.exit(f"bench: {models}/hydrate.py is missing; set SARDONYX_SHARED to the folder that holds models/")
        print(f"writing the weights of {model}/{name} to {folder}", file=sys.stderr)
        # numpy belongs to the system's Python.
        subprocess.run(["/usr/bin/python3", str(models / "hydrate.py"), str(models / "skeleton" / model), "--out",
                        str(folder / model), "--only", name], check=True, stdout=subprocess.DEVNULL)
    return file


def hydrate_generator(model, folder):
    """The folder of a model that generates: its merged decoder, its encoder and its settings."""
    skeleton = shared_folder() / "models" / "skeleton" / model
    for name in ("decoder_model_merged.onnx", "encoder_model.onnx"):
        if (skeleton / name).exists() or (folder / model / name).exists():
            hydrate(model, name, folder)
    for name in ("config.json", "generation_config.json"):
        if (skeleton / name).exists() and not (folder / model / name).exists():
            shutil.copy(skeleton / name, folder / model / name)
    return folder / model


def shape_flags(row):
    shapes = row.get("shapes", []) + ([f"input_ids=1x{row['text']}"] if "text" in row else [])
    return [flag for shape in shapes for flag in ("--shape", shape)]


def command(row, options):
    """The program and its arguments that measure a row."""
    folder = Path(options.hydrated)
    common = ["--threads", str(options.threads), "--pairs", str(options.pairs or row.get("pairs", 20)), "--seconds",
              str(row.get("seconds", 25)), "--isa", options.isa, "--json"]
    if options.ort:
        common += ["--ort", options.ort]
    if "generate" in row:
        program = Path(options.sardonyx).parent.parent / "bench" / "models" / "generation_bench"
        return [str(program), str(hydrate_generator(row["model"], folder)), *row["generate"], *common]
    out = [options.sardonyx, "compare", str(hydrate(row["model"], row["file"], folder)), *common]
    if "mixed" in row:
        # Load time and memory of these models stand in the rows with one text. Rows of padding become zeros, not compared.
        out += ["--mixed", row["mixed"], "--no-memory", "--padding", "zero"]
    return out + shape_flags(row)


def load_kept(row, options, load):
    """Adds to `load` what loading takes where packed weights have been kept: the median of three processes."""
    kept = Path(options.out) / "weights"
    words = [options.sardonyx, "compare", str(hydrate(row["model"], row["file"], Path(options.hydrated))), "--only", "ours",
             "--load-only", "--threads", str(options.threads), "--isa", options.isa, "--weight-folder", str(kept)]
    times = []
    for _ in range(4):
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        times.append(json.loads(done.stdout)["load_ms"])
    shutil.rmtree(kept)
    load["kept_ms"] = sorted(times[1:])[1]
    load["kept_ratio"] = load["kept_ms"] / load["peer_ms"]["median"]


def run_row(row, options):
    words = command(row, options)
    started = time.time()
    done = subprocess.run(words, capture_output=True, text=True)
    if not done.stdout.strip():
        print(f"{row['row']}: {done.stderr.strip()}", file=sys.stderr)
        return None
    report = {"row": row["row"], "target": row["target"], **json.loads(done.stdout.strip().splitlines()[-1])}
    if "load" in report:
        load_kept(row, options, report["load"])
    path = Path(options.out) / f"{row['row']}.json"
    path.write_text(json.dumps(report))
    ratio = report["ratio"]
    print(f"{row['row']:20} {ratio['median']:6.3f}  ({ratio['first']:.3f} .. {ratio['third']:.3f})  target {row['target']}"
          f"  {report['ours_ms']['median']:.2f} ms beside {report['peer_ms']['median']:.2f} ms"
          f"{'' if report['quiet'] else '  disturbed'}{'' if report['agree'] else '  OUTPUTS DIFFER'}  [{time.time() - started:.0f} s]", flush=True)
    return path


def main():
    rows = json.loads((HERE / "rows.json").read_text())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sardonyx")
    parser.add_argument("rows", nargs="*", help="names in rows.json, or their beginnings; all where none is given")
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--isa", default="auto", help="best instruction set to use, as sardonyx takes it")
    parser.add_argument("--ort", default="")
    parser.add_argument("--hydrated", default=str(ROOT / "build" / "hydrated"))
    parser.add_argument("--out", default=str(ROOT / "build" / "bench"))
    options = parser.parse_intermixed_args()
    wanted = [r for r in rows if not options.rows or any(r["row"].startswith(name) for name in options.rows)]
    if not wanted:
        sys.exit(f"bench: no row {' '.join(options.rows)}; the rows are {', '.join(r['row'] for r in rows)}")
    Path(options.out).mkdir(parents=True, exist_ok=True)
    done = [path for path in (run_row(row, options) for row in wanted) if path]
    if not done:
        sys.exit("bench: no row could be measured")
    out = Path(options.out)
    table = subprocess.run([options.sardonyx, "report", *map(str, done), "--html", str(out / "report.html"), "--bars", str(out / "ratios.svg"),
                            "--roofline", str(out / "roofline.svg")], check=True, capture_output=True, text=True).stdout
    (out / "table.md").write_text(table)
    print(f"{out}/report.html, {out}/table.md")
    return 0 if len(done) == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
