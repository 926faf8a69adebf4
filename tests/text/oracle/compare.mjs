// Comparison of two answers and the halving search for the smallest text on which they differ.
const order = ['ids', 'tokens', 'type_ids', 'attention_mask', 'special_tokens_mask', 'offsets', 'word_ids', 'overflowing'];

function sameList(a, b) {
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  return a.every((x, i) => (Array.isArray(x) ? sameList(x, b[i]) : x === b[i]));
}

/** The name of the first field of `expected` that differs, or null. Two errors are equal whatever they say; where the reference itself ended, only a crash of ours counts. */
export function difference(expected, actual) {
  if (actual?.crash) return 'crash';
  if (expected?.crash) return null;
  if (expected?.error || actual?.error) return expected?.error && actual?.error ? null : 'error';
  if (typeof expected === 'string' || typeof actual === 'string') return expected === actual ? null : 'text';
  for (const name of order.slice(0, -1)) if (name in expected && !sameList(expected[name], actual[name])) return name;
  const [a, b] = [expected.overflowing ?? [], actual.overflowing ?? []];
  if (a.length !== b.length) return 'overflowing';
  for (let i = 0; i < a.length; ++i) {
    const inner = difference(a[i], b[i]);
    if (inner) return `overflowing.${inner}`;
  }
  return null;
}

/** Delta debugging by halves: the shortest sublist found for which `fails(list)` stays true; at most `budget` trials. */
export async function minimise(list, fails, budget = 400) {
  let best = list;
  for (let chunk = Math.ceil(best.length / 2); chunk >= 1 && budget > 0; chunk = chunk === 1 ? 0 : Math.ceil(chunk / 2)) {
    for (let start = 0; start < best.length && budget > 0;) {
      const shorter = [...best.slice(0, start), ...best.slice(start + chunk)];
      --budget;
      if (shorter.length < best.length && await fails(shorter)) best = shorter;
      else start += chunk;
    }
  }
  return best;
}

/** `item` cut down while `fails(item)` holds: bytes, then the text, then the pair by code points. */
export async function minimiseItem(item, fails) {
  if (item.bytes) {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const build = (list) => ({ ...item, bytes: Buffer.from(list), text: decoder.decode(Buffer.from(list)) });
    return build(await minimise([...item.bytes], (list) => fails(build(list))));
  }
  let best = item;
  if (best.pair !== undefined && await fails({ category: best.category, text: best.text })) best = { category: best.category, text: best.text };
  const text = await minimise([...best.text], (list) => fails({ ...best, text: list.join('') }));
  best = { ...best, text: text.join('') };
  if (best.pair === undefined) return best;
  const pair = await minimise([...best.pair], (list) => fails({ ...best, pair: list.join('') }));
  return { ...best, pair: pair.join('') };
}
