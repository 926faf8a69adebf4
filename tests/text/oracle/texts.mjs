// The seeded texts: every kind of string that a tokenizer meets, each made from (seed, index) alone.
import { prose } from './prose.mjs';
import { Random } from './random.mjs';

const wordsOf = Object.fromEntries(Object.entries(prose).map(([name, text]) => [name, text.split(' ')]));
const languages = Object.keys(prose);
const char = String.fromCodePoint;

/** Ranges worth drawing from apart from the uniform one: scripts, compatibility forms, combining and invisible ones. */
const ranges = {
  latin: [[0x20, 0x7e], [0xa0, 0x24f], [0x1e00, 0x1eff]],
  alphabets: [[0x370, 0x52f], [0x530, 0x58f], [0x10a0, 0x10ff], [0x1c80, 0x1cbf], [0x2c00, 0x2dff], [0xa640, 0xa69f]],
  semitic: [[0x590, 0x6ff], [0x700, 0x86f], [0xfb1d, 0xfdff], [0xfe70, 0xfeff]],
  indic: [[0x900, 0xdff], [0xa8e0, 0xa8ff]],
  asian: [[0xe00, 0x109f], [0x1780, 0x18af], [0x1900, 0x1aff], [0x1b00, 0x1bff]],
  cjk: [[0x3000, 0x33ff], [0x3400, 0x9fff], [0xf900, 0xfaff], [0xff00, 0xffef], [0x20000, 0x323af], [0xfe30, 0xfe4f]],
  hangul: [[0x1100, 0x11ff], [0x3130, 0x318f], [0xa960, 0xa97f], [0xac00, 0xd7ff]],
  symbols: [[0x2000, 0x2bff], [0x1f000, 0x1faff], [0x1d400, 0x1d7ff], [0x2460, 0x24ff], [0x2150, 0x218f]],
  marks: [[0x300, 0x36f], [0x1ab0, 0x1aff], [0x1dc0, 0x1dff], [0x20d0, 0x20f0], [0xfe20, 0xfe2f], [0x3099, 0x309c]],
  controls: [[0, 0x20], [0x7f, 0xa0], [0xad, 0xad], [0x180b, 0x180f], [0x2000, 0x200f], [0x2028, 0x202f], [0x205f, 0x206f], [0xfeff, 0xfeff], [0xfff0, 0xffff], [0xe0000, 0xe007f], [0xe0100, 0xe01ef], [0x1d173, 0x1d17a]],
  historic: [[0x10000, 0x10fff], [0x11000, 0x11fff], [0x12000, 0x1254f], [0x16800, 0x16fff], [0x1e000, 0x1efff]],
  planes: [[0, 0xd7ff], [0xe000, 0xffff], [0x10000, 0x1ffff], [0x20000, 0x3ffff], [0x40000, 0xdffff], [0xe0000, 0x10ffff]],
};
const spaces = [' ', ' ', ' ', '  ', '\t', '\n', '\r\n', '\r', '\v', '\f', '\u0085', '\u00a0', '\u1680', '\u2003', '\u2028', '\u202f', '\u3000', '\u200b', '   \n\n '];
const oddCase = ['İ', 'ı', 'ß', 'ẞ', 'ΑΣ', 'Σ', 'ς', 'Ǆ', 'ǅ', 'ﬁ', 'ﬃ', 'ŉ', 'ΐ', 'ᾳ', 'ᾼ', 'ẚ', 'K', 'Å', 'Ω', 'ſ', 'ꭰ', 'Ꭰ', 'Ⅷ', 'ⓩ', '½', '²', '①', 'Ａ', '㎏', '㍿', '㌀', 'ﷺ', '𝔘', '𝟗', '豈', '가', '각', '각', 'é', 'ё', 'й', 'が', 'ｶﾞ', 'ǰ', 'Ⱥ', 'ꟹ', '℡', '™', '…', '‥', '〜', '～', '´', '¨', '¸', '΄', '᾽', '゛', '﹅', 'ﾞ', '\u0344', '\u0f73', '\u2126', '\u1e9b\u0323', '\u0958', '\u09dc', '\ufb1d'];
const apostrophes = ['\'s', '\'S', '\'t', '\'T', '\'re', '\'RE', '\'Ve', '\'m', '\'ll', '\'LL', '\'d', '’s', '’re', 'n\'t', '\'', '"', '``', '\'\'', '\'ſ', '\'D\'s'];
const joined = ['👩‍👩‍👧‍👦', '👨🏽‍💻', '🏳️‍🌈', '🏴‍☠️', '🇫🇷', '🇲🇬🇯🇵', '❤️', '❤️‍🔥', '☝🏿', '1️⃣', '#️⃣', '*️⃣', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '👁️‍🗨️', '🤷‍♀️', '🧑🏻‍❤️‍💋‍🧑🏿', '😀', '🥹', '🫠', '👍🏽', '‍', '️', '🏿', '🇦', '☺', '☺️', '⌚︎', '©️'];
const code = ['def f(x, *args):\n    return {k: v for k, v in x.items() if not v}\n', 'for (let i = 0; i < n; i++) { total += a[i] ?? 0; }', '#include <vector>\ntemplate <class T> auto f(T&& t) -> decltype(t);\n', 'SELECT id, COUNT(*) FROM "users" WHERE name LIKE \'%o\'\'brien%\' GROUP BY 1;', '<div class="a b">&nbsp;&#x27;</div><!-- x -->', 'grep -E \'^[a-z]+\\s*=\' *.c | sed \'s/\\t/    /g\' > /dev/null 2>&1', '{"key": [1, 2.5e-3, null, true], "\\u00e9": "\\\\"}', 'fn main() -> Result<(), Box<dyn Error>> { println!("{:?}", x?); Ok(()) }', '\tif err != nil {\n\t\treturn fmt.Errorf("bad: %w", err)\n\t}\n', 'https://example.org/a/b?c=d&e=%20f#g', 'user.name+tag@mail.example.co.uk', 'x86_64-linux-gnu', '0xDEADBEEF', '__init__', 'camelCaseHTTPServer2', '---\n- item: [a, b]\n', '$$\\int_0^\\infty e^{-x^2}\\,dx$$', '//////// ======== ########', '<s>[INST] <<SYS>>', '[CLS] x [SEP]', '</s>', '<unk>', '▁', '▁▁a', '##ing', 'Ġword', '</w>', '<0x41>', '@@'];

function codePoint(random, list) {
  const [low, high] = random.pick(list);
  const point = random.between(low, high);
  return char(point >= 0xd800 && point <= 0xdfff ? 0xfffd : point);
}

function run(random, count, make) {
  let text = '';
  for (let i = 0; i < count; ++i) text += make();
  return text;
}

function proseText(random, most = 40) {
  const words = wordsOf[random.pick(languages)];
  const start = random.between(0, words.length - 1);
  const count = random.length(1, most);
  const list = [];
  for (let i = 0; i < count; ++i) list.push(random.chance(0.8) ? words[(start + i) % words.length] : random.pick(words));
  let text = list.join(random.chance(0.92) ? ' ' : random.pick(spaces));
  if (random.chance(0.08)) text = text.toUpperCase();
  if (random.chance(0.08)) text = text.normalize(random.pick(['NFD', 'NFC', 'NFKD', 'NFKC']));
  return text;
}

function number(random) {
  const digits = () => run(random, random.length(1, 12), () => random.between(0, 9));
  return random.pick([
    () => digits(), () => `${digits()}.${digits()}`, () => `-${digits()},${digits()}`, () => `${digits()}e-${digits()}`,
    () => `$${digits()}`, () => `${digits()}%`, () => `${digits()}:${digits()}`, () => `${digits()}/${digits()}`,
    () => `+${digits()} (${digits()})`, () => run(random, random.length(1, 8), () => codePoint(random, [[0x660, 0x669], [0x966, 0x96f], [0xff10, 0xff19], [0x2160, 0x2188], [0x1d7ce, 0x1d7ff], [0xb2, 0xbe]])),
    () => `${digits()}th`, () => `v${digits()}_${digits()}`,
  ])();
}

/** Texts that hold the tokenizer's added tokens whole, cut, in words, with odd spaces around and in other cases. */
function addedTokens(random, vocabulary) {
  return run(random, random.length(1, 8), () => {
    let token = random.pick(vocabulary.added);
    if (random.chance(0.1)) token = token.slice(0, random.between(1, token.length));
    if (random.chance(0.08)) token = random.chance(0.5) ? token.toUpperCase() : token.toLowerCase();
    const around = () => random.pick(['', '', '', ' ', '  ', 'a', 'É', '\n', '\u00a0', '.', '한', '_', '\u0301', '▁', random.pick(spaces)]);
    return around() + token + around() + (random.chance(0.3) ? random.pick(wordsOf[random.pick(languages)]) : '');
  });
}

function invalidBytes(random) {
  const parts = [];
  const count = random.length(1, 12);
  for (let i = 0; i < count; ++i) {
    if (random.chance(0.4)) {
      parts.push(Buffer.from(random.pick(wordsOf[random.pick(languages)])));
    } else {
      const part = Buffer.alloc(random.length(1, 6));
      for (let k = 0; k < part.length; ++k) part[k] = random.chance(0.8) ? random.between(0x80, 0xff) : random.between(1, 0x7f);
      parts.push(part);
    }
    if (random.chance(0.3)) parts.push(Buffer.from(' '));
    if (random.chance(0.15)) parts.push(Buffer.from(random.pick(joined)).subarray(0, random.between(1, 5)));
  }
  return Buffer.concat(parts);
}

const makers = {
  prose: (random) => proseText(random),
  emoji: (random) => run(random, random.length(1, 12), () => random.pick(joined) + (random.chance(0.3) ? random.pick(['', ' ', 'a', 'ok '])
    : '')),
  combining: (random) => run(random, random.length(1, 12), () => codePoint(random, random.pick([ranges.latin, ranges.alphabets,
    ranges.indic, ranges.semitic, ranges.hangul, ranges.asian, ranges.cjk])) + run(random, random.length(0, 4), () => codePoint(random, ranges.marks))),
  controls: (random) => run(random, random.length(1, 14), () => (random.chance(0.5) ? codePoint(random, ranges.controls)
    : random.pick([random.pick(wordsOf[random.pick(languages)]), codePoint(random, ranges.latin)]))),
  surrogates: (random) => run(random, random.length(1, 10), () => (random.chance(0.5) ? String.fromCharCode(random.between(0xd800, 0xdfff))
    : random.pick([random.pick(wordsOf[random.pick(languages)]), ' ', random.pick(joined)]))),
  bytes: (random) => invalidBytes(random),
  code: (random) => run(random, random.length(1, 4), () => random.pick(code) + random.pick(['', ' ', '\n', '\n\n    '])),
  numbers: (random) => run(random, random.length(1, 10), () => number(random) + random.pick(['', ' ', ', ', ' - '])),
  added: addedTokens,
  script: (random) => {
    const list = random.pick(Object.values(ranges));
    return run(random, random.length(1, 40), () => (random.chance(0.12) ? random.pick(spaces) : codePoint(random, list)));
  },
  planes: (random) => run(random, random.length(1, 30), () => codePoint(random, ranges.planes)),
  compatibility: (random) => run(random, random.length(1, 14), () => random.pick([random.pick(oddCase), random.pick(oddCase),
    random.pick(apostrophes), codePoint(random, ranges.latin), ' '])),
  contractions: (random) => run(random, random.length(1, 12), () => random.pick([random.pick(wordsOf.english),
    codePoint(random, ranges.latin), random.pick(wordsOf[random.pick(languages)])]) + random.pick(apostrophes) + random.pick(['', ' '])),
  spaces: (random) => run(random, random.length(0, 12), () => random.pick([random.pick(spaces), random.pick(spaces), 'x', 'the', '.', '12'])),
  repeats: (random) => run(random, random.length(1, 4), () => random.pick([codePoint(random, ranges.latin), codePoint(random, random.pick(Object.values(ranges))), random.pick(spaces), random.pick(joined), 'ab', 'the ', '=', '\n'])
    .repeat(random.length(1, 250))),
  vocabulary: (random, vocabulary) => run(random, random.length(1, 14), () => random.pick(vocabulary.pieces) + (random.chance(0.25) ? ' ' : '')),
  punctuation: (random) => run(random, random.length(1, 16), () => (random.chance(0.6)
    ? codePoint(random, [[0x21, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e], [0xa1, 0xbf], [0x2010, 0x205e], [0x3001, 0x303d]])
    : random.pick([' ', 'a', 'Zoë', '7', 'word']))),
  empty: (random) => random.pick(['', '', ' ', '\n', '\u200b', '\0', '\ufeff']),
};
const names = Object.keys(makers);
const weights = { prose: 3, vocabulary: 2, script: 2, planes: 2, empty: 0.2 };
const wheel = names.flatMap((name) => Array(Math.round(10 * (weights[name] ?? 1))).fill(name));

/** One text: `{category, text}` and, when it isn't valid UTF-8, `bytes`; spliced of two kinds one time in six. */
function single(random, vocabulary) {
  const category = random.pick(wheel);
  const text = makers[category](random, vocabulary);
  if (Buffer.isBuffer(text)) return { category, text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(text), bytes: text };
  if (!random.chance(0.16)) return { category, text };
  const other = makers[random.pick(wheel)](random, vocabulary);
  const tail = Buffer.isBuffer(other) ? other.toString('latin1') : other;
  return { category: 'mixed', text: text + (random.chance(0.5) ? '' : ' ') + tail };
}

/** Text `index` of `seed`; one in six is a pair (`pair`). `vocabulary` is {added, pieces}, both non-empty. */
export function makeText(seed, index, vocabulary) {
  const random = new Random(seed, index);
  const item = single(random, vocabulary);
  if (!item.bytes && random.chance(1 / 6)) {
    const second = single(random, vocabulary);
    if (!second.bytes) return { category: item.category, text: item.text, pair: second.text };
  }
  return item;
}

/** Lines of about a megabyte: prose, one word, one character, spaces, emoji, random points. */
export function longTexts(seed) {
  const random = new Random(seed, 0x10000000);
  const fill = (make) => {
    const parts = [];
    for (let size = 0; size < 1 << 20; size += parts.at(-1).length) parts.push(make());
    return parts.join('');
  };
  return [
    fill(() => proseText(random) + ' '),
    fill(() => random.pick(wordsOf.english).replace(/[^a-z]/gi, '') || 'a'),
    'a'.repeat(1 << 20),
    ' '.repeat(1 << 20),
    fill(() => random.pick(joined)),
    fill(() => codePoint(random, ranges.planes)),
    fill(() => codePoint(random, ranges.cjk)),
    fill(() => number(random)),
  ].map((text) => ({ category: 'megabyte', text }));
}
