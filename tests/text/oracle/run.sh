#!/usr/bin/env bash
# Compares Sardonyx's tokenizers with two reference implementations.
# usage: tests/text/oracle/run.sh [--all] [--tokenizer NAME]... [--config NAME]... [--count N] [--seed S] [--only I] [--no-script] [--list]
# Exit status: 0 all equal or skipped (the reason is printed), 1 differences.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
command -v node >/dev/null || { echo "skipped: node is not installed"; exit 0; }
if [ ! -d "$here/node_modules/@anush008/tokenizers" ]; then
  command -v npm >/dev/null || { echo "skipped: npm is not installed"; exit 0; }
  (cd "$here" && npm ci --silent) || { echo "skipped: npm could not install the reference tokenizers"; exit 0; }
fi
export UV_THREADPOOL_SIZE=${UV_THREADPOOL_SIZE:-2}
exec node --max-old-space-size=6144 "$here/main.mjs" "$@"
