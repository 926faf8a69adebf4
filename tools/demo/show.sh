#!/usr/bin/env bash
# Runs the embedded demo model: tokens, what comes next, where the time goes.
# usage: tools/demo/show.sh SARDONYX MODEL_FOLDER [PROMPT]
set -euo pipefail
export LC_ALL=C
sardonyx=$1 model=$2 prompt=${3:-"She was very much"}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# join SEPARATOR FIELD...: the fields with the separator between them.
join() {
  local separator=$1
  shift
  local out=${1:-}
  shift || true
  local field
  for field in "$@"; do out+=$separator$field; done
  printf '%s' "$out"
}

# most_likely FILE.npz VOCABULARY TOKENS: the five greatest logits of the last token, as "probability id" lines.
# NumPy archives of this program are stored without compression, and logits is the first array in it.
most_likely() {
  local file=$1 vocabulary=$2 tokens=$3 start header
  start=$(grep -abo -m1 $'\x93NUMPY' "$file" | head -1 | cut -d: -f1)
  header=$(od -An -tu2 -j $((start + 8)) -N 2 "$file" | tr -d ' ')
  od -An -v -w4 -tf4 -j $((start + 10 + header + (tokens - 1) * vocabulary * 4)) -N $((vocabulary * 4)) "$file" |
    awk '{ logit[NR] = $1; if (NR == 1 || $1 > top) top = $1 }
         END { for (i = 1; i <= NR; ++i) sum += exp(logit[i] - top)
               for (i = 1; i <= NR; ++i) printf "%.4f %d\n", exp(logit[i] - top) / sum, i - 1 }' |
    sort -rn | sed -n 1,5p
}

mapfile -t ids < <("$sardonyx" tokenize "$model" "$prompt" | awk '{ print $1 }')
count=${#ids[@]}
inputs=(--input "input_ids=[[$(join , "${ids[@]}")]]"
  --input "attention_mask=[[$(join , "${ids[@]/*/1}")]]"
  --input "position_ids=[[$(seq -s, 0 $((count - 1)))]]"
  --shape past_sequence_length=0)

echo "Prompt: $prompt  ($count tokens)"
"$sardonyx" run "$model" "${inputs[@]}" --output "$work/out.npz" | tail -1
vocabulary=$(sed -n 's/.*"vocab_size": *\([0-9]*\).*/\1/p' "$model/config.json")
echo
echo "What comes next:"
most_likely "$work/out.npz" "$vocabulary" "$count" | while read -r probability id; do
  printf '  %5.1f %%  %s\n' "$(awk "BEGIN { print 100 * $probability }")" "$("$sardonyx" detokenize "$model" "$id")"
done
echo
echo "Where the time goes:"
"$sardonyx" profile "$model" "${inputs[@]}" --repeat 20
