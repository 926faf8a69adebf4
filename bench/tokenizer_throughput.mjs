// Encoding speed beside the native reference: one thread, the same lines, passes interleaved A B A B; see usage below.
//
// usage: node bench/tokenizer_throughput.mjs [--pairs N] [--megabytes M] [--text FILE] [--tokenizer NAME]... [--cpu]
// --cpu compares CPU seconds, which hold on a machine that is busy with something else.
// Needs build/release/bench/text/tokenize_throughput (or THROUGHPUT_BIN), ../shared and the packages of tests/text/oracle.
// Both sides get every line of one text, special tokens added, truncation and padding off. The reference is taken at its
// fastest on one thread: one encodeBatch call a pass, results not read back into JavaScript.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prose } from '../tests/text/oracle/prose.mjs';
import { Random } from '../tests/text/oracle/random.mjs';

process.env.TOKENIZERS_PARALLELISM = 'false';
process.env.RAYON_NUM_THREADS = '1';
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { Tokenizer } = createRequire(join(root, 'tests/text/oracle/package.json'))('@anush008/tokenizers');
const { values: flags } = parseArgs({
  options: {
    pairs: { type: 'string', default: '20' }, megabytes: { type: 'string', default: '1' }, tokenizer: { type: 'string', multiple: true },
    text: { type: 'string' }, cpu: { type: 'boolean', default: false },
  },
});
const shared = process.env.SARDONYX_SHARED ?? resolve(root, '../shared');
const program = process.env.THROUGHPUT_BIN ?? join(root, 'build/release/bench/text/tokenize_throughput');
const goals = { 'bert-base-uncased': 5, gpt2: 5, 'roberta-base': 5, 'whisper.tiny': 5, 't5-small': 3, 'barthez-xlmr-like': 5 };

/** Lines of invented words in Zipf-like frequencies with the usual punctuation, mostly Latin script, one in twelve another one. */
function lines(bytes) {
  const random = new Random(42);
  const names = ['english', 'english', 'english', 'english', 'french', 'german', 'spanish', 'portuguese', 'italian', 'dutch'];
  const base = names.flatMap((name) => prose[name].split(/\s+/));
  const parts = base.flatMap((word) => word.toLowerCase().match(/\p{L}{2,4}/gu) ?? []);
  const lexicon = Array.from({ length: 20000 }, () => Array.from({ length: random.length(1, 3) }, () => random.pick(parts)).join(''));
  const word = () => (random.chance(0.8) ? random.pick(base) : lexicon[Math.floor(Math.exp(random.next() / 4294967296 * Math.log(lexicon.length)))]);
  const others = Object.values(prose);
  const result = [];
  for (let size = 0; size < bytes; size += Buffer.byteLength(result.at(-1)) + 1) {
    if (random.chance(1 / 12)) { result.push(random.pick(others)); continue; }
    const words = Array.from({ length: random.between(6, 30) }, word);
    if (random.chance(0.3)) words.push(`${random.between(1, 2026)}`);
    result.push(`${words.join(' ')}${random.pick(['.', '.', '!', '?', ', …', ';'])}`);
  }
  return result;
}

/** Our side: a process that makes one pass (or one load) over the file when told and answers with seconds and tokens. */
class Ours {
  constructor(folder, file) {
    this.child = spawn(program, [folder, file], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ask(command) {
    this.child.stdin.write(`${command}\n`);
    const { value, done } = await this.answers.next();
    if (done) throw new Error(`${program} ended`);
    const [wall, tokens, cpu] = value.split(' ').map(Number);
    return { seconds: flags.cpu ? cpu : wall, tokens };
  }

  stop() {
    this.child.stdin.end();
  }
}

const cpuSeconds = ({ user, system }) => (user + system) / 1e6;
const clock = () => (flags.cpu ? cpuSeconds(process.cpuUsage()) : Number(process.hrtime.bigint()) / 1e9);

function quartiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q) => sorted[Math.round((sorted.length - 1) * q)];
  return [at(0.25), at(0.5), at(0.75)];
}

async function compare(name, texts, file) {
  const folder = join(shared, 'real/tokenizers', name);
  const json = join(folder, 'tokenizer.json');
  const ours = new Ours(folder, file);
  const loads = { ours: [], theirs: [] };
  for (let i = 0; i < 5; ++i) {
    loads.ours.push((await ours.ask('load')).seconds);
    const start = clock();
    Tokenizer.fromFile(json);
    loads.theirs.push(clock() - start);
  }
  const theirs = Tokenizer.fromFile(json);
  theirs.disableTruncation();
  theirs.disablePadding();
  const pass = async () => {
    const start = clock();
    const encodings = await theirs.encodeBatch(texts);
    return { seconds: clock() - start, encodings };
  };
  const expected = (await pass()).encodings.reduce((sum, encoding) => sum + encoding.getLength(), 0);
  const { tokens } = await ours.ask('pass');
  const times = { ours: [], theirs: [], ratio: [] };
  for (let i = 0; i < Number(flags.pairs); ++i) {
    const a = (await pass()).seconds;
    const b = (await ours.ask('pass')).seconds;
    times.theirs.push(a);
    times.ours.push(b);
    times.ratio.push(a / b);
  }
  ours.stop();
  return { name, tokens, expected, times, loads };
}

const texts = flags.text ? readFileSync(flags.text, 'utf8').split('\n').filter(Boolean) : lines(Number(flags.megabytes) * 1e6);
const bytes = texts.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
const work = mkdtempSync(join(tmpdir(), 'sardonyx-throughput-'));
const file = join(work, 'lines.txt');
writeFileSync(file, texts.join('\n'));
console.log(`${texts.length} lines, ${(bytes / 1e6).toFixed(2)} MB, ${flags.pairs} pairs; ratio = reference seconds / ours`);
for (const name of flags.tokenizer ?? Object.keys(goals)) {
  const { tokens, expected, times, loads } = await compare(name, texts, file);
  const [low, middle, high] = quartiles(times.ratio).map((x) => x.toFixed(2));
  const speed = (list) => (bytes / 1e6 / quartiles(list)[1]).toFixed(1);
  const load = (list) => (1e3 * quartiles(list)[1]).toFixed(0);
  console.log(`${name}: ratio ${middle} [${low}, ${high}] (goal ${goals[name] ?? '-'}), ours ${speed(times.ours)} MB/s, reference ${speed(times.theirs)} MB/s, load ${load(loads.ours)} ms vs ${load(loads.theirs)} ms`
    + `${tokens === expected ? '' : `, TOKENS DIFFER: ${tokens} vs ${expected}`}`);
}
rmSync(work, { recursive: true, force: true });
