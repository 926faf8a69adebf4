// The ways of calling a tokenizer that are compared: flags for ours, settings for the references.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { minimise, minimiseItem } from './compare.mjs';
import { Random } from './random.mjs';
import { inputLine } from './subject.mjs';

/** `item` with at most `most` code points in each text: windows over pairs multiply. */
function shortened(item, most) {
  const cut = (text) => [...text].slice(0, most).join('');
  if (item.bytes) return item.bytes.length <= most ? item : { category: item.category, text: cut(item.text) };
  return { ...item, text: cut(item.text), ...(item.pair === undefined ? {} : { pair: cut(item.pair) }) };
}

/** A pair whose text `name`, which truncation leaves whole, has few enough code points to leave the other more room than a stride: the native oracle aborts where there is less. */
function roomy(item, name) {
  return item.pair === undefined ? item : { ...item, [name]: [...item[name]].slice(0, 6).join('') };
}

/** An encoding configuration; `special` says whether special tokens are added. */
function encoding(name, flags, native, { share = 0.1, special = true, script = false, scriptEvery = 1, long = false, most = 0, whole = '' } = {}) {
  const all = special ? flags : [...flags, '--no-special-tokens'];
  return {
    name, native, share, script, scriptEvery, long,
    command: (folder) => ['tokenize', folder, '--jsonl', '--json', ...all],
    prepare: (items) => (most ? items.map((item) => shortened(item, most)) : whole ? items.map((item) => roomy(item, whole)) : items),
    line: inputLine,
    question: ({ text, pair }) => ({ text, pair, special }),
    minimise: (item, fails) => minimiseItem(item, fails),
    shown: (item) => (item.bytes ? { bytes: item.bytes.toString('hex') } : item.pair === undefined ? item.text : [item.text, item.pair]),
    scriptAnswer: (script, item) => script.encode(item, special),
    scriptView: (expected) => expected.ids ?? expected,
    scriptDiffers(expected, script, item) {
      return JSON.stringify(this.scriptAnswer(script, item)) !== JSON.stringify(this.scriptView(expected));
    },
  };
}

/** A decoding configuration: ids of encoded texts, and arbitrary ids. */
function decoding(name, flags, skip, vocabulary, seed) {
  return {
    name, native: { truncation: null, padding: null }, share: 0.2, script: true, scriptEvery: 1, long: false,
    command: (folder) => ['detokenize', folder, '--json', ...flags],
    async prepare(items, indices, oracle) {
      const randoms = indices.map((index) => new Random(seed ^ 0x5eed, index));
      const encoded = await oracle.ask(items.map(({ text, pair }, i) => ({ text, pair, special: randoms[i].chance(0.5) })));
      return items.map(({ category }, i) => {
        const random = randoms[i];
        if (random.chance(0.25)) return { category: 'ids', ids: Array.from({ length: random.length(0, 30) }, () => random.between(0, vocabulary.size + 2)) };
        const ids = encoded[i].ids ?? [];
        return { category, ids: random.chance(0.2) ? ids.filter(() => random.chance(0.7)) : ids };
      });
    },
    line: (item) => JSON.stringify(item.ids),
    question: ({ ids }) => ({ ids, skip }),
    minimise: async (item, fails) => ({ ...item, ids: await minimise(item.ids, (ids) => fails({ ...item, ids })) }),
    shown: (item) => item.ids,
    scriptAnswer: (script, item) => script.decode(item.ids, skip),
    scriptView: (expected) => expected,
    scriptDiffers(expected, script, item) {
      return this.scriptAnswer(script, item) !== expected;
    },
  };
}

/** The padding that `--padding N` means for a folder: the file's own block, else the pad token that a config or the vocabulary names. */
function paddingOf(target, json) {
  if (json.padding) return { padId: json.padding.pad_id, padTypeId: json.padding.pad_type_id, padToken: json.padding.pad_token };
  const config = join(target.folder, 'tokenizer_config.json');
  const named = existsSync(config) ? JSON.parse(readFileSync(config, 'utf8')).pad_token : null;
  const known = new Map(json.added_tokens.map((token) => [token.content, token.id]));
  const token = [named?.content ?? named, '[PAD]', '<pad>'].find((name) => known.has(name));
  return token === undefined ? { padId: 0, padTypeId: 0, padToken: '[PAD]' } : { padId: known.get(token), padTypeId: 0, padToken: token };
}

/** For SentencePiece folders: single texts without special tokens, and ids of ordinary pieces back to text. */
export function pieceConfigs(target, seed) {
  const ordinary = target.ordinaryIds;
  const known = new Set(ordinary);
  const cut = ({ category, text }) => {
    let rest = text;
    while (target.control.some((piece) => rest.includes(piece))) rest = target.control.reduce((all, piece) => all.replaceAll(piece, ''), rest);
    return { category, text: rest };
  };
  const plain = encoding('pieces', ['--no-truncation', '--padding', 'none'], {}, { share: 1, special: false, long: true });
  const decode = decoding('pieces-decode', ['--skip-special-tokens'], true, { size: 0 }, seed);
  return [
    { ...plain, prepare: (items) => items.map(cut) },
    {
      ...decode, script: false,
      async prepare(items, indices, oracle) {
        const answers = await oracle.ask(items.map((item) => ({ text: cut(item).text })));
        return items.map(({ category }, i) => {
          const random = new Random(seed ^ 0x5eed, indices[i]);
          if (random.chance(0.3)) return { category: 'ids', ids: Array.from({ length: random.length(0, 20) }, () => random.pick(ordinary)) };
          return { category, ids: (answers[i].ids ?? []).filter((id) => known.has(id)) };
        });
      },
    },
  ];
}

/** The configurations for a target; limits are drawn from `seed` so that they differ between runs. */
export function configsFor(target, vocabulary, seed) {
  const random = new Random(seed, 0x0c0f);
  const json = JSON.parse(readFileSync(target.file, 'utf8'));
  const off = { truncation: null, padding: null };
  const none = ['--no-truncation', '--padding', 'none'];
  const pad = paddingOf(target, json);
  const wide = random.between(9, 20);
  const stride = random.between(1, 4);
  const narrow = random.between(6, 12);
  const padTo = random.between(8, 40);
  const list = [
    encoding('plain', none, off, { share: 1, script: true, long: true }),
    encoding('bare', none, off, { special: false, script: true }),
    encoding('file', [], {}),
    encoding('window', ['--max-length', `${wide}`, '--stride', `${stride}`, '--padding', 'none'],
      { truncation: { maxLength: wide, stride, strategy: 'LongestFirst', direction: 'right' }, padding: null }, { most: 60 }),
    encoding('window-left', ['--max-length', `${narrow}`, '--truncation-side', 'left', '--padding', 'none'],
      { truncation: { maxLength: narrow, stride: 0, strategy: 'LongestFirst', direction: 'left' }, padding: null }, { most: 60 }),
    encoding('only-first', ['--max-length', '40', '--stride', '3', '--truncation-strategy', 'only_first', '--padding', 'none'],
      { truncation: { maxLength: 40, stride: 3, strategy: 'OnlyFirst', direction: 'right' }, padding: null }, { whole: 'pair' }),
    encoding('only-second', ['--max-length', '40', '--stride', '3', '--truncation-strategy', 'only_second', '--padding', 'none'],
      { truncation: { maxLength: 40, stride: 3, strategy: 'OnlySecond', direction: 'right' }, padding: null }, { whole: 'text' }),
    encoding('padded', ['--no-truncation', '--padding', `${padTo}`], { truncation: null, padding: { maxLength: padTo, direction: 'right', ...pad } }),
    encoding('padded-left', ['--max-length', `${wide}`, '--stride', '2', '--padding', `${padTo}`, '--padding-side', 'left', '--pad-to-multiple-of', '8'],
      { truncation: { maxLength: wide, stride: 2, strategy: 'LongestFirst', direction: 'right' }, padding: { maxLength: padTo, direction: 'left', padToMultipleOf: 8, ...pad } }, { most: 60 }),
    decoding('decode', [], false, vocabulary, seed),
    decoding('decode-skip', ['--skip-special-tokens'], true, vocabulary, seed),
  ];
  return list.filter(({ name }) => !target.configs || target.configs.includes(name));
}
