#!/usr/bin/env bash
# Compares Sardonyx's tokenizers with two reference implementations.
# usage: tests/text/oracle/run.sh [--all] [--tokenizer NAME]... [--config NAME]... [--count N] [--seed S] [--only I] [--no-script] [--list]
# Exit status: 0 all equal, 1 differences, 77 skipped (the reason is printed).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
command -v node >/dev/null || { echo "skipped: node is not installed"; exit 77; }
if [ ! -d "$here/node_modules/@anush008/tokenizers" ]; then
  command -v npm >/dev/null || { echo "skipped: npm is not installed"; exit 77; }
  (cd "$here" && npm ci --silent --fetch-retries=1 --fetch-timeout=30000) ||
    { echo "skipped: npm could not install the reference tokenizers (is it offline?)"; exit 77; }
fi
[ -z "${SARDONYX_TEST_ALL:-}" ] || set -- --all "$@"
export UV_THREADPOOL_SIZE=${UV_THREADPOOL_SIZE:-2}
exec node --max-old-space-size=6144 "$here/main.mjs" "$@"
