#!/usr/bin/env bash
# Installs ONNX Runtime's npm package below build/peer, where `sardonyx compare` looks for its library.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=1.30.0
command -v npm >/dev/null || { echo "install.sh: npm is missing; apt-get install npm, or download onnxruntime-node $version by hand" >&2; exit 1; }
mkdir -p build/peer
# The package's own install step fetches GPU libraries; the CPU library lies in the package itself.
npm install --prefix build/peer --ignore-scripts --no-save --no-audit --no-fund "onnxruntime-node@$version" >&2
