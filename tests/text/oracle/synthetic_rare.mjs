// Rare features of tokenizer.json: a synthetic file with the options that no published one combines.
import { Random } from './random.mjs';

/** Patterns in Oniguruma's spelling that exercise its differences from other engines. */
const patterns = [
  '^', '$', '\\b', '\\B', '(?i)the', '[^a-z]', '\\s+$', '^\\s+', '\\p{Mn}+', '(.)\\1', '(?<=a)b', '(?<!t)h', '\\h+', '\\R', '\\X', '[[:alpha:]]+', '[[:punct:]]', '[[:^space:]]+',
  '\\p{Han}+', '\\p{Katakana}', '\\p{Lu}', '\\P{L}+', '\\p{^L}', '[a-z&&[^aeiou]]+', 'a++', '(?>a+|ab)', '\\A.', '.\\z', '.\\Z', '(?m:.+)', '(?<x>[ab])\\k<x>', '\\x{e9}',
  '[\\u0041-\\u005a]+', 'e{,2}', 'e{1,2}?', '\\d+', '\\w', '\\W+', '\\S+', '[^\\S\\n]+', '\\n', '[\\w\\-]+', '(?:a|e|i)(?=n)', '\\p{P}|\\p{S}', '[\\p{L}\\p{N}_]+', '(?i:s|ß)', '(?i)É',
  '[^\\x00-\\x7F]+', '\\.', '[.]', '[]a]', '[a\\]b]', '\\#', '\\p{Alnum}+', '\\p{Space}+', '[😀-🙏]', '\\t', '(?s).', '(?x) a b ', '\\p{Cyrillic}+', '\\p{Emoji}', '\\p{Any}', '\\O', '\\N+',
];

const literals = [' ', '', 'e', 'the', '▁', 'é', '  ', '\n', '👍', '\u0301'];

const pattern = (random) => (random.chance(0.2) ? { String: random.pick(literals) } : { Regex: random.pick(patterns) });

function normalizerOf(random) {
  const list = Array.from({ length: random.between(1, 3) }, () => random.pick([
    () => ({ type: 'Replace', pattern: pattern(random), content: random.pick(['', 'x', '▁', 'éa', '👍']) }),
    () => ({ type: 'ByteLevel' }), () => ({ type: 'Lowercase' }), () => ({ type: random.pick(['NFC', 'NFKC', 'NFD']) }), () => ({ type: 'Prepend', prepend: '▁' }),
    () => ({ type: 'Strip', strip_left: random.chance(0.5), strip_right: random.chance(0.5) }), () => ({ type: 'StripAccents' }),
  ])());
  return list.length === 1 ? list[0] : { type: 'Sequence', normalizers: list };
}

function preTokenizerOf(random) {
  const behavior = () => random.pick(['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']);
  const list = Array.from({ length: random.between(1, 3) }, () => random.pick([
    () => ({ type: 'Split', pattern: pattern(random), behavior: behavior(), invert: random.chance(0.3) }),
    () => ({ type: 'Split', pattern: pattern(random), behavior: behavior(), invert: random.chance(0.3) }),
    () => ({ type: 'ByteLevel', add_prefix_space: random.chance(0.5), trim_offsets: random.chance(0.5), use_regex: random.chance(0.5) }),
    () => ({ type: 'Metaspace', replacement: '▁', str_rep: '▁', add_prefix_space: true }),
    () => ({ type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: random.chance(0.5) }),
    () => ({ type: 'Digits', individual_digits: random.chance(0.5) }), () => ({ type: 'Punctuation' }), () => ({ type: 'UnicodeScripts' }),
    () => ({ type: 'CharDelimiterSplit', delimiter: random.pick(['e', '\n', '👍']) }),
  ])());
  return list.length === 1 ? list[0] : { type: 'Sequence', pretokenizers: list };
}

function postProcessorOf(random, ids) {
  const names = Object.keys(ids);
  const tokens = Object.fromEntries(names.map((id, i) => [id, i === 0 ? { id, ids: [ids[id], 1], tokens: [id, 'second'] } : { id, ids: [ids[id]], tokens: [id] }]));
  const special = () => ({ SpecialToken: { id: random.pick(names), type_id: random.between(0, 3) } });
  const text = (id) => ({ Sequence: { id, type_id: random.between(0, 3) } });
  const template = () => ({
    type: 'TemplateProcessing', single: random.pick([[text('A')], [special(), special(), text('A')], [text('A'), special()]]),
    pair: random.pick([[text('B'), text('A')], [special(), text('B'), special(), text('A')], [text('A'), text('B'), special()]]), special_tokens: tokens,
  });
  const roberta = () => ({ type: 'RobertaProcessing', sep: ['</s>', ids['</s>']], cls: ['<s>', ids['<s>']], trim_offsets: random.chance(0.5), add_prefix_space: random.chance(0.5) });
  const bert = () => ({ type: 'BertProcessing', sep: ['</s>', ids['</s>']], cls: ['<s>', ids['<s>']] });
  const bytes = () => ({ type: 'ByteLevel', add_prefix_space: random.chance(0.5), trim_offsets: random.chance(0.5), use_regex: true });
  const one = () => random.pick([template, roberta, bert, bytes])();
  return random.chance(0.6) ? one() : { type: 'Sequence', processors: Array.from({ length: random.between(0, 3) }, one) };
}

function decoderOf(random) {
  const list = Array.from({ length: random.between(1, 3) }, () => random.pick([
    () => ({ type: 'Replace', pattern: pattern(random), content: random.pick(['', ' ', 'x']) }), () => ({ type: 'Strip', content: random.pick(['▁', ' ', 'é']), start: random.between(0, 5), stop: random.between(0, 5) }),
    () => ({ type: 'WordPiece', prefix: random.pick(['##', '', '▁']), cleanup: random.chance(0.5) }), () => ({ type: 'BPEDecoder', suffix: random.pick(['</w>', '', 'e']) }),
    () => ({ type: 'CTC', pad_token: random.pick(['<pad>', '', 'e']), word_delimiter_token: random.pick(['|', ' ', '▁']), cleanup: random.chance(0.5) }),
    () => ({ type: 'Metaspace', replacement: '▁', add_prefix_space: true }), () => ({ type: 'ByteFallback' }), () => ({ type: 'Fuse' }), () => ({ type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true }),
    () => ({ type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] }),
  ])());
  return list.length === 1 ? list[0] : { type: 'Sequence', decoders: list };
}

function addedTokensOf(random, file) {
  const names = ['New', 'New York', 'York', 'in', 'ing', ' ', '\n', 'É', 'é', 'e\u0301', 'ABC', 'abc', 'ſ', '한국', '👍', '👍🏽', '  ', 'e', '<x>', '<x><x>', 'ß', 'SS', '.', '▁', '\u0301', '\u00a0', 'ｆ', 'fi', 'ﬁ'];
  const own = names.filter(() => random.chance(0.4)).map((content) => ({
    id: random.between(0, 2000), content, single_word: random.chance(0.35), lstrip: random.chance(0.35), rstrip: random.chance(0.35), normalized: random.chance(0.5), special: random.chance(0.3),
  }));
  return [...file.added_tokens, ...own];
}

function modelOf(random, model) {
  const made = { ...model };
  if (made.type === 'BPE') {
    if (random.chance(0.3)) made.dropout = random.pick([0, 1]);
    if (random.chance(0.2)) made.unk_token = 'not in the vocabulary';
    if (random.chance(0.3)) made.byte_fallback = true;
    if (random.chance(0.4)) made.ignore_merges = true;
  }
  if (made.type === 'Unigram') {
    if (random.chance(0.3)) made.unk_id = null;
    if (random.chance(0.3)) made.byte_fallback = !made.byte_fallback;
    if (random.chance(0.3)) made.vocab = made.vocab.map(([piece, score]) => [piece, -score]);
  }
  if (made.type === 'WordLevel' || made.type === 'WordPiece') {
    if (random.chance(0.2)) made.unk_token = 'not in the vocabulary';
    if (random.chance(0.4)) made.vocab = Object.fromEntries(Object.entries(made.vocab).map(([piece, id]) => [piece, id * 3]));
  }
  return made;
}

function limitsOf(random) {
  return {
    truncation: random.chance(0.5) ? null : {
      direction: random.pick(['Left', 'Right']), max_length: random.between(4, 40), strategy: random.pick(['LongestFirst', 'OnlyFirst', 'OnlySecond']), stride: random.between(0, 5),
    },
    padding: random.chance(0.5) ? null : {
      strategy: random.pick(['BatchLongest', { Fixed: random.between(0, 60) }]), direction: random.pick(['Left', 'Right']), pad_to_multiple_of: random.pick([null, 0, 1, 7]),
      pad_id: random.between(0, 9), pad_type_id: random.between(0, 3), pad_token: random.pick(['<pad>', '', 'é']),
    },
  };
}

/** `file`, a synthetic tokenizer.json, with some of its parts made anew out of rare ones. */
export function withRareParts(file, index) {
  const random = new Random(77001, index);
  const ids = Object.fromEntries(file.added_tokens.filter((token) => /^<\/?s>$/.test(token.content)).map((token) => [token.content, token.id]));
  const some = (make, old) => (random.chance(0.6) ? make() : old);
  return {
    ...file, ...some(() => limitsOf(random), {}),
    added_tokens: some(() => addedTokensOf(random, file), file.added_tokens),
    normalizer: some(() => normalizerOf(random), file.normalizer),
    pre_tokenizer: some(() => preTokenizerOf(random), file.pre_tokenizer),
    post_processor: some(() => postProcessorOf(random, ids), file.post_processor),
    decoder: some(() => decoderOf(random), file.decoder),
    model: some(() => modelOf(random, file.model), file.model),
  };
}
