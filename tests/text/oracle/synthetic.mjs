// Small tokenizer.json files made from a number: every component of the format and its options in seeded combinations.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prose } from './prose.mjs';
import { Random } from './random.mjs';
import { withRareParts } from './synthetic_rare.mjs';
import { bytePieces, trainBpe, unigramPieces, wordLevel, wordPieces } from './synthetic_models.mjs';

/** How many there are; those from `plainCount` on have rare parts. */
export const syntheticCount = 256;
const plainCount = 96;

const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'];
const contraction = '(?i:\'s|\'t|\'re|\'ve|\'m|\'ll|\'d)';
const upper = '\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}';
const lower = '\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}';
/** Splitting patterns of well-known model families, and a few plain ones. */
const patterns = [
  '\'s|\'t|\'re|\'ve|\'m|\'ll|\'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+',
  `${contraction}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  `${contraction}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  `[^\\r\\n\\p{L}\\p{N}]?[${upper}]*[${lower}]+${contraction}?|[^\\r\\n\\p{L}\\p{N}]?[${upper}]+[${lower}]*${contraction}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  '\\p{N}{1,3}', '[0-9]', '[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥぀-ヿ]+', ' ?[^(\\s|[.,!?…。，、।۔،])]+', '\\w+|[^\\w\\s]+', '.', '(?=e)', 'a*',
];

const pick = (random, table) => table[random.next() % table.length](random);

function pattern(random) {
  return random.chance(0.3) ? { String: random.pick([' ', 'e', 'the', '▁', '.', '\'', 'é', '  ']) } : { Regex: random.pick(patterns) };
}

function normalizer(random, charsmap, depth = 0) {
  const simple = [
    () => ({ type: 'BertNormalizer', clean_text: random.chance(0.6), handle_chinese_chars: random.chance(0.6), strip_accents: random.pick([null, true, false]), lowercase: random.chance(0.5) }),
    () => ({ type: random.pick(['NFC', 'NFD', 'NFKC', 'NFKD']) }),
    () => ({ type: 'Strip', strip_left: random.chance(0.6), strip_right: random.chance(0.6) }),
    () => ({ type: 'StripAccents' }), () => ({ type: 'Lowercase' }), () => ({ type: 'Nmt' }),
    () => ({ type: 'Replace', pattern: random.pick([{ String: ' ' }, { String: '``' }, { Regex: '\\s+' }, { Regex: ' {2,}' }, { Regex: '[aeiou]' }, { String: 'e' }]), content: random.pick(['▁', ' ', '', '"', 'xyz']) }),
    () => ({ type: 'Prepend', prepend: random.pick(['▁', ' ', 'é ']) }),
    () => (charsmap ? { type: 'Precompiled', precompiled_charsmap: charsmap } : { type: 'NFKC' }),
  ];
  if (depth || random.chance(0.45)) return pick(random, simple);
  return { type: 'Sequence', normalizers: Array.from({ length: random.between(0, 4) }, () => normalizer(random, charsmap, 1)) };
}

function preTokenizer(random, depth = 0) {
  const simple = [
    () => ({ type: 'BertPreTokenizer' }), () => ({ type: 'Whitespace' }), () => ({ type: 'WhitespaceSplit' }), () => ({ type: 'UnicodeScripts' }),
    () => ({ type: 'CharDelimiterSplit', delimiter: random.pick([' ', '-', 'e', '▁']) }),
    () => ({ type: 'Punctuation', behavior: random.pick(behaviors) }),
    () => ({ type: 'Digits', individual_digits: random.chance(0.5) }),
    () => ({ type: 'Metaspace', replacement: random.pick(['▁', '▁', '_']), prepend_scheme: random.pick(['always', 'first', 'never']), split: random.chance(0.7) }),
    () => ({ type: 'Split', pattern: pattern(random), behavior: random.pick(behaviors), invert: random.chance(0.3) }),
    () => ({ type: 'FixedLength', length: random.between(1, 9) }),
  ];
  if (depth || random.chance(0.5)) return pick(random, simple);
  return { type: 'Sequence', pretokenizers: Array.from({ length: random.between(0, 3) }, () => preTokenizer(random, 1)) };
}

function byteLevelSplit(random) {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: random.chance(0.4), trim_offsets: random.chance(0.5), use_regex: random.chance(0.5) };
  if (random.chance(0.3)) return byteLevel;
  const before = random.chance(0.7) ? { type: 'Split', pattern: pattern(random), behavior: random.pick(behaviors), invert: random.chance(0.2) }
    : preTokenizer(random, 1);
  return { type: 'Sequence', pretokenizers: [before, byteLevel] };
}

function template(random, ids) {
  const special = (id) => ({ SpecialToken: { id, type_id: random.between(0, 2) } });
  const sequence = (id, type) => ({ Sequence: { id, type_id: type } });
  const around = () => (random.chance(0.7) ? [special(random.pick(Object.keys(ids)))] : []);
  const entries = Object.entries(ids).map(([id, number]) => [id, { id, ids: [number], tokens: [id] }]);
  return {
    type: 'TemplateProcessing',
    single: [...around(), sequence('A', random.between(0, 1)), ...around()],
    pair: [...around(), sequence('A', 0), ...around(), ...around(), sequence('B', random.between(0, 1)), ...around()],
    special_tokens: Object.fromEntries(entries),
  };
}

function postProcessor(random, ids) {
  const [cls, sep] = [['<s>', ids['<s>']], ['</s>', ids['</s>']]];
  const byteLevel = () => ({ type: 'ByteLevel', add_prefix_space: random.chance(0.5), trim_offsets: random.chance(0.6), use_regex: true });
  return pick(random, [
    () => null, () => template(random, ids), () => template(random, ids), () => ({ type: 'BertProcessing', sep, cls }),
    () => ({ type: 'RobertaProcessing', sep, cls, trim_offsets: random.chance(0.6), add_prefix_space: random.chance(0.5) }),
    byteLevel, () => ({ type: 'Sequence', processors: [byteLevel(), template(random, ids)] }),
  ]);
}

function decoder(random, depth = 0) {
  const simple = [
    () => ({ type: 'BPEDecoder', suffix: '</w>' }), () => ({ type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true }),
    () => ({ type: 'WordPiece', prefix: '##', cleanup: random.chance(0.5) }), () => ({ type: 'Fuse' }), () => ({ type: 'ByteFallback' }),
    () => ({ type: 'Metaspace', replacement: '▁', prepend_scheme: random.pick(['always', 'first', 'never']), split: true }),
    () => ({ type: 'CTC', pad_token: '<pad>', word_delimiter_token: random.pick(['|', '▁', 'e']), cleanup: random.chance(0.5) }),
    () => ({ type: 'Replace', pattern: random.pick([{ String: '▁' }, { Regex: '[eé]+' }, { String: '</w>' }]), content: random.pick([' ', '', 'ü']) }),
    () => ({ type: 'Strip', content: random.pick([' ', '▁', 'e']), start: random.between(0, 2), stop: random.between(0, 2) }),
  ];
  if (random.chance(0.1) && !depth) return null;
  if (depth || random.chance(0.5)) return pick(random, simple);
  return { type: 'Sequence', decoders: Array.from({ length: random.between(0, 4) }, () => decoder(random, 1)) };
}

function model(random, byteLevel) {
  const unknown = random.chance(0.8) ? '<unk>' : null;
  const kind = byteLevel ? 'bpe' : random.pick(['bpe', 'bpe', 'wordpiece', 'wordlevel', 'unigram', 'unigram']);
  if (kind === 'wordlevel') return { type: 'WordLevel', vocab: wordLevel(prose), unk_token: '<unk>' };
  if (kind === 'wordpiece') {
    const prefix = random.pick(['##', '##', '', '@@']);
    return { type: 'WordPiece', unk_token: '<unk>', continuing_subword_prefix: prefix, max_input_chars_per_word: random.pick([100, 8, 3]), vocab: wordPieces(prose, prefix) };
  }
  const fallback = !byteLevel && random.chance(0.4);
  if (kind === 'unigram') {
    const vocab = unigramPieces(prose, random, fallback ? bytePieces() : []);
    return { type: 'Unigram', unk_id: 0, vocab, byte_fallback: fallback };
  }
  const drawn = byteLevel ? {} : random.pick([{}, {}, { prefix: '##' }, { suffix: '</w>' }]);
  const options = fallback ? {} : drawn;
  const { vocab, merges } = trainBpe(prose, { byteLevel, extra: fallback ? bytePieces() : [], ...options });
  return {
    type: 'BPE', dropout: null, unk_token: unknown, continuing_subword_prefix: options.prefix ?? random.pick([null, '']),
    end_of_word_suffix: options.suffix ?? null, fuse_unk: random.chance(0.5), byte_fallback: fallback, ignore_merges: random.chance(0.3), vocab,
    merges: random.chance(0.5) ? merges : merges.map((pair) => pair.join(' ')),
  };
}

function addedTokens(random, first) {
  const special = ['<pad>', '<s>', '</s>', '<mask>'].map((content) => ({ content, special: true }));
  const plain = ['ing', 'New York', 'é', ' the', '한', 'CamelCase', '  ', '<tag>', 'E', 'ß', '...'].filter(() => random.chance(0.5)).map((content) => ({ content, special: random.chance(0.2) }));
  return [...special, ...plain].map((token, i) => ({
    id: first + i, content: token.content, single_word: random.chance(0.25), lstrip: random.chance(0.25), rstrip: random.chance(0.25),
    normalized: token.special ? random.chance(0.15) : random.chance(0.6), special: token.special,
  }));
}

function limits(random) {
  return {
    truncation: random.chance(0.4) ? { direction: random.pick(['Left', 'Right']), max_length: random.between(8, 30), strategy: 'LongestFirst', stride: random.between(0, 2) } : null,
    padding: random.chance(0.4) ? { strategy: random.pick(['BatchLongest', { Fixed: random.between(5, 40) }]), direction: random.pick(['Left', 'Right']), pad_to_multiple_of: random.pick([null, null, 8]), pad_id: 3, pad_type_id: random.between(0, 1), pad_token: '<pad>' } : null,
  };
}

/** The tokenizer.json of number `index`, as an object. */
function synthetic(index, charsmap) {
  const random = new Random(20240117, index);
  const byteLevel = random.chance(0.3);
  const made = model(random, byteLevel);
  const size = Array.isArray(made.vocab) ? made.vocab.length : Object.keys(made.vocab).length;
  const added = addedTokens(random, size);
  const ids = Object.fromEntries(added.filter((token) => token.special && /^<\/?s>$/.test(token.content)).map((token) => [token.content, token.id]));
  return {
    version: '1.0', ...limits(random), added_tokens: added,
    normalizer: random.chance(0.25) ? null : normalizer(random, charsmap),
    pre_tokenizer: byteLevel ? byteLevelSplit(random) : random.chance(0.1) ? null : preTokenizer(random),
    post_processor: postProcessor(random, ids),
    decoder: byteLevel && random.chance(0.6) ? { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true } : decoder(random),
    model: made,
  };
}

/** Target number `index`; `tokenizers` lends a precompiled character map where it has one. */
export function syntheticTarget(tokenizers, work, index) {
  const lender = join(tokenizers, 't5-small/tokenizer.json');
  const charsmap = existsSync(lender) ? JSON.parse(readFileSync(lender, 'utf8')).normalizer.precompiled_charsmap : null;
  const folder = join(work, `synthetic-${index}`);
  const file = join(folder, 'tokenizer.json');
  mkdirSync(folder, { recursive: true });
  const made = synthetic(index, charsmap);
  writeFileSync(file, JSON.stringify(index < plainCount ? made : withRareParts(made, index)));
  return { name: `synthetic-${index}`, folder, file, configs: ['plain', 'bare', 'file', 'window', 'decode', 'decode-skip'], scale: 0.25 };
}
