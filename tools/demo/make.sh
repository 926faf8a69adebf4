#!/usr/bin/env bash
# Makes models/demo anew from the Debian package of its text (tokenizer, training, export): half an hour of a free core
# that multiplies bfloat16 in hardware, many hours of another.
# usage: tools/demo/make.sh [options of train.py, such as --steps 800 or --minutes 12]
set -euo pipefail
cd "$(dirname "$0")"
model=$(realpath ../..)/models/demo
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3=/usr/bin/python3
"$python3" -c 'import numpy, torch' || { echo "install python3-torch and python3-numpy" >&2; exit 1; }
(cd "$work" && apt-get download r-cran-janeaustenr && dpkg-deb -x r-cran-janeaustenr_*.deb text)
"$python3" train_tokenizer.py --text "$work/text" --model "$model"
"$python3" train.py --text "$work/text" --model "$model" --checkpoint "$work/demo.npz" "$@"
"$python3" export_onnx.py --model "$model" --checkpoint "$work/demo.npz"
