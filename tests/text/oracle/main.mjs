// The differential test: seeded texts through Sardonyx and through both references; see run.sh for the flags.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { difference } from './compare.mjs';
import { configsFor, pieceConfigs } from './configs.mjs';
import { nativeProblem, NativeOracle, ScriptOracle } from './oracles.mjs';
import { PieceOracle, findServer } from './pieces.mjs';
import { Subject, findProgram } from './subject.mjs';
import { allTargets, vocabularyOf } from './targets.mjs';
import { longTexts, makeText } from './texts.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../../..');
const { values: flags } = parseArgs({
  options: {
    all: { type: 'boolean', default: false }, tokenizer: { type: 'string', multiple: true }, config: { type: 'string', multiple: true },
    count: { type: 'string' }, seed: { type: 'string', default: '1' }, only: { type: 'string' }, shown: { type: 'string', default: '5' },
    list: { type: 'boolean', default: false }, 'no-script': { type: 'boolean', default: false },
  },
});
const seed = Number(flags.seed);
const count = flags.count ? Number(flags.count) : flags.all ? 100000 : 150;
const shown = Number(flags.shown);
const windowSize = 256;
/** The exit status that tells CTest of a skipped test. */
const skipped = 77;

/** Texts of one run as {index, item}, long ones last: all of them with --all, else one. */
function* textsOf(vocabulary, share, withLong) {
  if (flags.only !== undefined) {
    const index = Number(flags.only);
    yield { index, item: index < 0 ? longTexts(seed)[-1 - index] : makeText(seed, index, vocabulary) };
    return;
  }
  for (let index = 0; index < Math.ceil(count * share); ++index) yield { index, item: makeText(seed, index, vocabulary) };
  if (!withLong) return;
  const long = longTexts(seed).map((item, i) => ({ index: -1 - i, item }));
  yield* flags.all ? long : [long[seed % long.length]];
}

class Tally {
  constructor(target, config) {
    Object.assign(this, { target, config, passed: 0, unknown: 0, failures: [], fields: {}, script: { compared: 0, differ: 0, cases: [] } });
  }

  fail(field, entry) {
    this.fields[field] = (this.fields[field] ?? 0) + 1;
    this.failures.push({ field, ...entry });
  }

  summary() {
    const where = `${this.target.name}/${this.config.name}`;
    const fields = Object.entries(this.fields).map(([name, n]) => `${name} ${n}`).join(', ');
    const unknown = this.unknown ? `; the native oracle aborts on ${this.unknown}` : '';
    return `${where}: ${this.passed} passed, ${this.failures.length} failed${fields ? ` (${fields})` : ''}${unknown}`;
  }
}

function replay(target, config, index) {
  return `tests/text/oracle/run.sh --tokenizer ${target.name} --config ${config.name} --seed ${seed} --only=${index}`;
}

const brief = (value) => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
};

/** Prints the first few failures of each field, each cut down to its smallest text. */
async function explain(tally, subject, expect) {
  const perField = {};
  for (const failure of tally.failures) {
    perField[failure.field] = (perField[failure.field] ?? 0) + 1;
    if (perField[failure.field] > shown || failure.field === 'unasked') continue;
    const fails = async (item) => difference(await expect(item), (await subject.askSafely([tally.config.line(item)]))[0]) === failure.field;
    const small = failure.item.category === 'megabyte' ? failure.item : await tally.config.minimise(failure.item, fails);
    const expected = await expect(small);
    const [actual] = await subject.askSafely([tally.config.line(small)]);
    const field = failure.field.split('.')[0];
    const pick = (answer) => (answer?.[field] !== undefined && field !== 'error' ? { [field]: answer[field], tokens: answer.tokens } : answer);
    console.log(`  FAIL ${failure.field} [${failure.item.category}] ${brief(tally.config.shown(small))}`);
    console.log(`    expected ${brief(pick(expected))}\n    actual   ${brief(pick(actual))}\n    replay   ${replay(tally.target, tally.config, failure.index)}`);
  }
}

/** Where the script oracle and the native one differ, cut down; the native one is right. */
async function disagreements(tally, expect, script) {
  const seen = new Set();
  for (const { item, index } of tally.script.cases.slice(0, 40)) {
    const differs = async (small) => tally.config.scriptDiffers(await expect(small), script, small);
    const small = await tally.config.minimise(item, differs);
    const key = JSON.stringify(tally.config.shown(small));
    if (seen.has(key) || seen.size >= 12) continue;
    seen.add(key);
    const expected = await expect(small);
    tally.script.examples = [...(tally.script.examples ?? []), { key, index, native: tally.config.scriptView(expected), script: tally.config.scriptAnswer(script, small) }];
  }
}

/** `item` without what is not ASCII. */
function asciiOf({ category, text, pair }) {
  const cut = (string) => string.replace(/[^\0-\x7f]/g, '');
  return { category, text: cut(text), ...(pair === undefined ? {} : { pair: cut(pair) }) };
}

async function runConfig(target, config, { native, script, ascii }, vocabulary) {
  const tally = new Tally(target, config);
  native.use(config.native);
  const subject = new Subject(program, config.command(target.folder));
  const expect = async (item) => (await native.ask([config.question(item)]))[0];
  const handle = async (batch) => {
    const items = await config.prepare(batch.map(({ item }) => item), batch.map(({ index }) => index), native);
    const expected = native.ask(items.map(config.question));
    const actual = await subject.askSafely(items.map(config.line));
    (await expected).forEach((want, i) => {
      if (want?.unasked) return tally.fail('unasked', { item: items[i], index: batch[i].index });
      if (want?.crash) ++tally.unknown;
      const field = difference(want, actual[i]);
      if (field) tally.fail(field, { item: items[i], index: batch[i].index });
      else ++tally.passed;
      if (!script || want?.crash || items[i].category === 'megabyte' || batch[i].index % config.scriptEvery) return;
      ++tally.script.compared;
      if (!config.scriptDiffers(want, script, items[i])) return;
      ++tally.script.differ;
      tally.script.cases.push({ item: items[i], index: batch[i].index });
    });
  };
  let batch = [];
  for (const entry of textsOf(vocabulary, config.share * (target.scale ?? 1), config.long && (flags.all || !flags.count) && !target.scale)) {
    if (ascii) entry.item = asciiOf(entry.item);
    if (entry.item.category === 'megabyte') { await handle([entry]); continue; }
    batch.push(entry);
    if (batch.length === windowSize) { await handle(batch); batch = []; }
  }
  if (batch.length) await handle(batch);
  console.log(tally.summary());
  await explain(tally, subject, expect);
  subject.stop();
  if (script && tally.script.differ) await disagreements(tally, expect, script);
  return tally;
}

/** Without --all, one in eight of the synthetic tokenizers, by the seed. */
function sampled(names) {
  return names.filter((name) => flags.all || !name.startsWith('synthetic-') || Number(name.split('-')[1]) % 8 === seed % 8);
}

const chosen = (config) => !flags.config || flags.config.includes(config.name);

/** A SentencePiece folder against libsentencepiece. */
async function runPieces(target) {
  if (!target.pieces.server) {
    console.log(`${target.name}: skipped: sentencepiece_server is not built (it needs libsentencepiece)`);
    return [];
  }
  const oracle = new PieceOracle(target.pieces);
  const list = await oracle.vocabulary();
  const control = list.filter((piece) => /^(<.+>|\[.+\])$/.test(piece) && !/^<0x..>$/.test(piece));
  const ids = target.pieces.vocab ? Object.entries(target.pieces.vocab) : list.map((piece, id) => [piece, id]);
  const ordinary = { ...target, control, ordinaryIds: ids.filter(([piece]) => !control.includes(piece) && !['</s>', '<pad>'].includes(piece)).map(([, id]) => id) };
  const vocabulary = { added: ['>>mg<<', '<s', 's>'], pieces: list.map((piece) => piece.replaceAll('▁', ' ')) };
  const tallies = [];
  for (const config of pieceConfigs(ordinary, seed).filter(chosen)) tallies.push(await runConfig(target, config, { native: oracle, script: null }, vocabulary));
  oracle.stop();
  return tallies;
}

async function runTarget(target) {
  if (target.pieces) return runPieces(target);
  const vocabulary = vocabularyOf(target.file);
  const tallies = [];
  let script = null;
  const problem = nativeProblem(target.file);
  if (problem) {
    console.log(`${target.name}: the native oracle refuses the file (${problem})`);
    return [];
  }
  try {
    script = flags['no-script'] || target.scale ? null : await ScriptOracle.load(target.file);
  } catch (error) {
    console.log(`${target.name}: the script oracle refuses the file (${error.message})`);
  }
  const native = new NativeOracle(target.file);
  const ascii = Boolean((await native.ask([{ text: 'ω', special: true }]))[0].crash);
  if (ascii) console.log(`${target.name}: the native oracle aborts on "ω"; only ASCII is compared`);
  for (const config of configsFor(target, vocabulary, seed).filter(chosen)) {
    tallies.push(await runConfig(target, config, { native, script: config.script ? script : null, ascii }, vocabulary));
  }
  native.stop();
  return tallies;
}

/** The list of cases on which the oracles differ, as Markdown. */
function disagreementReport(tallies) {
  const lines = ['# Where the two reference tokenizers disagree', '', 'Sardonyx follows the native one. Smallest texts found; ids or decoded text of each.', ''];
  for (const { target, config, script } of tallies) {
    if (!script.differ) continue;
    lines.push(`## ${target.name}, ${config.name}: ${script.differ} of ${script.compared} texts`, '');
    for (const { key, native, script: other } of script.examples ?? []) lines.push(`- \`${key}\`: native \`${brief(native)}\`, script \`${brief(other)}\``);
    lines.push('');
  }
  return lines.join('\n');
}

const shared = process.env.SARDONYX_SHARED ?? resolve(root, '../shared');
const tokenizers = join(shared, 'real/tokenizers');
if (!existsSync(tokenizers)) {
  console.log(`skipped: ${tokenizers} is absent (set SARDONYX_SHARED)`);
  process.exit(skipped);
}
const work = mkdtempSync(join(tmpdir(), 'sardonyx-oracle-'));
const targets = allTargets(tokenizers, work, findServer(root));
if (flags.list) {
  console.log(Object.keys(targets).join('\n'));
  process.exit(0);
}
const program = findProgram(root);
if (!program) {
  console.log('skipped: no sardonyx program under build/ (build it, or set SARDONYX_BIN)');
  process.exit(skipped);
}
const wanted = flags.tokenizer ?? sampled(Object.keys(targets));
const tallies = [];
try {
  for (const name of wanted) {
    if (!targets[name]) throw new Error(`no tokenizer '${name}'; --list shows them`);
    tallies.push(...await runTarget(targets[name]()));
  }
  mkdirSync(join(here, 'report'), { recursive: true });
  writeFileSync(join(here, 'report/disagreements.md'), disagreementReport(tallies));
} finally {
  rmSync(work, { recursive: true, force: true });
}
const differ = tallies.reduce((sum, tally) => sum + tally.script.differ, 0);
const failed = tallies.reduce((sum, tally) => sum + tally.failures.length, 0);
console.log(`oracles disagree on ${differ} texts (native taken as right; see report/disagreements.md)`);
console.log(`total: ${tallies.reduce((sum, tally) => sum + tally.passed, 0)} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
