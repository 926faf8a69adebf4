// The two references: the native build of the Rust library, and the JavaScript implementation.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Subject } from './subject.mjs';

const require = createRequire(import.meta.url);

/** The Rust library in this process; it may abort, so the harness talks to it through NativeOracle. */
export class NativeTokenizer {
  constructor(file) {
    this.file = file;
    this.load();
  }

  load() {
    this.tokenizer = require('@anush008/tokenizers').Tokenizer.fromFile(this.file);
    this.changed = false;
  }

  /** `truncation` and `padding`: undefined is the file's, null switches off, an object replaces. */
  configure({ truncation, padding }) {
    if (this.changed && (truncation === undefined || padding === undefined)) this.load();
    this.changed = true;
    if (truncation === null) this.tokenizer.disableTruncation();
    else if (truncation) this.tokenizer.setTruncation(truncation.maxLength, truncation);
    if (padding === null) this.tokenizer.disablePadding();
    else if (padding) this.tokenizer.setPadding(padding);
  }

  async answer({ ids, skip, text, pair, special }) {
    try {
      if (ids) return await this.tokenizer.decode(ids, skip);
      return fields(await this.tokenizer.encode(text, pair ?? null, { addSpecialTokens: special }));
    } catch (error) {
      return { error: String(error.message) };
    }
  }
}

/** The Rust library in a process of its own; a question on which it aborts is answered {crash}. */
export class NativeOracle {
  constructor(file) {
    this.process = new Subject(process.execPath, [fileURLToPath(import.meta.url), file]);
    this.settings = {};
  }

  /** The settings of the questions from here on; see NativeTokenizer.configure. */
  use(settings) {
    this.settings = settings;
    this.process.crashes = 0;
  }

  async ask(questions) {
    return this.process.askSafely(questions.map((question) => JSON.stringify({ ...question, settings: this.settings })));
  }

  stop() {
    this.process.stop();
  }
}

/** Why the Rust library does not load a file, or ''; found out in a process of its own, since it may abort. */
export function nativeProblem(file) {
  const trial = spawnSync(process.execPath, [fileURLToPath(import.meta.url), file], { input: '', encoding: 'utf8' });
  if (trial.status === 0) return '';
  return /Error: (.*)/.exec(trial.stderr)?.[1] ?? 'it aborts';
}

function fields(encoding) {
  const result = {
    ids: encoding.getIds(),
    tokens: encoding.getTokens(),
    type_ids: encoding.getTypeIds(),
    attention_mask: encoding.getAttentionMask(),
    special_tokens_mask: encoding.getSpecialTokensMask(),
    offsets: encoding.getOffsets(),
    word_ids: encoding.getWordIds().map((word) => word ?? null),
  };
  const overflowing = encoding.getOverflowing();
  if (overflowing.length) result.overflowing = overflowing.map(fields);
  return result;
}

/** The JavaScript implementation: ids and decoded text only. */
export class ScriptOracle {
  static async load(file) {
    const { Tokenizer } = await import('@huggingface/tokenizers');
    const oracle = new ScriptOracle();
    oracle.tokenizer = new Tokenizer(JSON.parse(readFileSync(file, 'utf8')), {});
    return oracle;
  }

  encode(item, special) {
    try {
      return this.tokenizer.encode(item.text, { text_pair: item.pair ?? null, add_special_tokens: special }).ids;
    } catch (error) {
      return { error: String(error.message) };
    }
  }

  decode(ids, skip) {
    try {
      return this.tokenizer.decode(ids, { skip_special_tokens: skip, clean_up_tokenization_spaces: false });
    } catch (error) {
      return { error: String(error.message) };
    }
  }
}

/** The child process of NativeOracle: a question a line, an answer a line, in order. */
async function serve(file) {
  const tokenizer = new NativeTokenizer(file);
  let last = Promise.resolve();
  let configured = '';
  for await (const line of createInterface({ input: process.stdin })) {
    const { settings, ...question } = JSON.parse(line);
    if (JSON.stringify(settings) !== configured) {
      await last;
      configured = JSON.stringify(settings);
      tokenizer.configure(settings);
    }
    const pending = tokenizer.answer(question);
    last = last.then(async () => process.stdout.write(`${JSON.stringify(await pending)}\n`));
  }
  await last;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(process.argv[2]);
