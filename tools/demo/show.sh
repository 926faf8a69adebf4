#!/usr/bin/env bash
# Runs the embedded demo model: text from a prompt, what comes next, where the time goes, and how fast on what.
# usage: tools/demo/show.sh SARDONYX MODEL_FOLDER [PROMPT]
set -euo pipefail
export LC_ALL=C
sardonyx=$1 model=$2 prompt=${3:-"She was very much"}

# join FIELD...: the fields with commas between them.
join() {
  local IFS=,
  printf '%s' "$*"
}

mapfile -t ids < <("$sardonyx" tokenize "$model" "$prompt" | awk '{ print $1 }')
count=${#ids[@]}

# likeliest N: the N likeliest next tokens as "percent id" lines. Beams of one token without a length penalty are that.
likeliest() {
  "$sardonyx" generate "$model" --ids "[[$(join "${ids[@]}")]]" --json --set do_sample=false --set max_new_tokens=1 \
    --set "num_beams=$1" --set "num_return_sequences=$1" --set length_penalty=0 --set eos_token_id=null |
    tr -d ' ' | sed 's/.*"sequences":\[\[\(.*\)\]\],"scores":\[\([^]]*\)\].*/\1;\2/' |
    awk -F ';' '{ n = split($1, rows, /\],\[/); split($2, scores, ",")
                  for (i = 1; i <= n; ++i) { m = split(rows[i], ids, ","); printf "%.1f %d\n", 100 * exp(scores[i]), ids[m] } }'
}

echo "Prompt: $prompt  ($count tokens)"
echo
printf '%s' "$prompt"
"$sardonyx" generate "$model" "$prompt" --seed "${SEED:-1}"
echo
echo "What may come after the prompt:"
likeliest 5 | while read -r percent id; do
  printf '  %5.1f %%  %s\n' "$percent" "$("$sardonyx" detokenize "$model" "$id")"
done

# The best of three, so that a busy machine's pauses do not count.
new=128 best=
for _ in 1 2 3; do
  seconds=$("$sardonyx" generate "$model" --ids "[[$(join "${ids[@]}")]]" --time --set do_sample=false \
    --set max_new_tokens=$new --set eos_token_id=null 2>&1 >/dev/null | awk '/tokens\/s/ { print $3 }')
  best=$(awk -v a="$seconds" -v b="${best:-0}" 'BEGIN { print (a + 0 > b + 0) ? a : b }')
done
echo
echo "Speed: $best tokens a second, one sequence, greedily, $new tokens"
echo
echo "Where the time of the prompt goes:"
"$sardonyx" profile "$model" --repeat 20 --shape past_sequence_length=0 --input "input_ids=[[$(join "${ids[@]}")]]" \
  --input "attention_mask=[[$(join "${ids[@]/*/1}")]]" --input "position_ids=[[$(seq -s, 0 $((count - 1)))]]"
