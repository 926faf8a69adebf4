// How long `sardonyx tokenize` takes on a Unigram tokenizer.json of XLM-R's size, most of which is loading; see usage below.
//
// usage: node bench/tokenizer_load.mjs [--runs N] [--pieces N]
// Needs build/release/bin/sardonyx (or SARDONYX_BIN). Writes the file twice, compact and indented, from a fixed seed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prose } from '../tests/text/oracle/prose.mjs';
import { Random } from '../tests/text/oracle/random.mjs';

const { values: flags } = parseArgs({ options: { runs: { type: 'string', default: '12' }, pieces: { type: 'string', default: '250000' } } });
const program = process.env.SARDONYX_BIN ?? resolve(dirname(fileURLToPath(import.meta.url)), '../build/release/bin/sardonyx');

/** Different pieces of one to four parts of words, in every script of the prose; scores have all digits of a double. */
function vocabulary(count) {
  const random = new Random(7);
  const parts = [...new Set(Object.values(prose).flatMap((text) => text.match(/\p{L}{1,3}/gu) ?? []))];
  const pieces = new Set();
  while (pieces.size < count) {
    const piece = Array.from({ length: random.between(1, 4) }, () => random.pick(parts)).join('');
    pieces.add(random.chance(0.5) ? `▁${piece}` : piece);
  }
  return [['<unk>', 0], ...[...pieces].map((piece) => [piece, -5 - random.next() / 4294967296 * 10])];
}

const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
const json = {
  version: '1.0', truncation: null, padding: null, added_tokens: [{ id: 0, content: '<unk>', special: true }], normalizer: { type: 'NFKC' },
  pre_tokenizer: metaspace, post_processor: null, decoder: metaspace, model: { type: 'Unigram', unk_id: 0, vocab: vocabulary(Number(flags.pieces)) },
};
const work = mkdtempSync(join(tmpdir(), 'sardonyx-load-'));
try {
  for (const [name, indent] of [['compact', 0], ['indented', 2]]) {
    const folder = join(work, name);
    mkdirSync(folder);
    const file = join(folder, 'tokenizer.json');
    writeFileSync(file, JSON.stringify(json, null, indent));
    const seconds = [];
    for (let run = 0; run < Number(flags.runs); ++run) {
      const begin = performance.now();
      const { status, error } = spawnSync(program, ['tokenize', folder, 'hello'], { stdio: ['ignore', 'ignore', 'inherit'] });
      seconds.push((performance.now() - begin) / 1000);
      if (status !== 0) throw error ?? new Error(`${program} exited with ${status}`);
    }
    seconds.sort((a, b) => a - b);
    console.log(`${name}, ${(statSync(file).size / 1e6).toFixed(1)} MB: median ${seconds[seconds.length >> 1].toFixed(3)} s, least ${seconds[0].toFixed(3)} s`);
  }
} finally {
  rmSync(work, { recursive: true });
}
