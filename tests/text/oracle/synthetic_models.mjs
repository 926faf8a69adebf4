// Vocabularies for the synthetic tokenizers, trained in a moment on the prose: words, WordPiece, BPE, Unigram.

function words(prose) {
  const list = Object.values(prose).flatMap((text) => text.split(/\s+/)).filter(Boolean);
  return list.flatMap((word) => [word, `▁${word}`]);
}

const numbered = (list) => Object.fromEntries([...new Set(list)].map((piece, id) => [piece, id]));
const characters = (list) => [...new Set(list.flatMap((word) => [...word]))];

export const bytePieces = () => Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);

export function wordLevel(prose) {
  return numbered(['<unk>', ...words(prose), ...words(prose).map((word) => word.toLowerCase()), 'the', '.', ',', ' ', '▁', '1', '12']);
}

export function wordPieces(prose, prefix) {
  const list = words(prose);
  const pieces = ['<unk>', ...characters(list), ...characters(list).map((c) => prefix + c)];
  list.forEach((word, i) => {
    const chars = [...word];
    const cut = 1 + (i % Math.max(1, chars.length));
    pieces.push(chars.slice(0, cut).join(''), word, prefix + chars.slice(cut).join(''), prefix + chars.slice(-3).join(''));
  });
  return numbered(pieces.filter((piece) => piece !== prefix && piece !== ''));
}

/** Substrings with scores; every third file's scores are whole numbers, so that segmentations tie. */
export function unigramPieces(prose, random, extra) {
  const list = words(prose);
  const pieces = new Set([...characters(list), '▁']);
  for (const word of list) {
    const chars = [...word];
    for (let k = 0; k < 4; ++k) {
      const start = random.between(0, chars.length - 1);
      pieces.add(chars.slice(start, start + random.between(1, 7)).join(''));
    }
  }
  const whole = random.chance(0.34);
  const score = () => (whole ? -random.between(1, 6) : -1 - random.next() / 4294967296 * 12);
  return [['<unk>', 0], ...extra.map((piece) => [piece, -20]), ...[...pieces].map((piece) => [piece, score()])];
}

function byteAlphabet() {
  const table = [];
  let next = 256;
  for (let byte = 0; byte < 256; ++byte) {
    const visible = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table.push(String.fromCodePoint(visible ? byte : next++));
  }
  return table;
}

function startingSymbols(list, { byteLevel, prefix = '', suffix = '' }) {
  const table = byteAlphabet();
  return list.map((word) => {
    const text = byteLevel ? [...Buffer.from(word.replace('▁', ' '))].map((byte) => table[byte]) : [...word];
    return text.map((c, i) => (i ? prefix : '') + c + (i === text.length - 1 ? suffix : ''));
  });
}

/** Byte-pair merges of the prose's words: the `count` most frequent pairs in turn. */
export function trainBpe(prose, { byteLevel = false, prefix = '', suffix = '', extra = [], count = 500 }) {
  const symbols = startingSymbols(words(prose), { byteLevel, prefix, suffix });
  const vocab = ['<unk>', ...extra, ...(byteLevel ? byteAlphabet() : []), ...new Set(symbols.flat())];
  const merges = [];
  while (merges.length < count) {
    const pairs = new Map();
    for (const word of symbols) for (let i = 1; i < word.length; ++i) pairs.set(`${word[i - 1]}\t${word[i]}`, (pairs.get(`${word[i - 1]}\t${word[i]}`) ?? 0) + 1);
    const best = [...pairs].sort((a, b) => b[1] - a[1]).slice(0, 40);
    if (!best.length || best[0][1] < 2) break;
    for (const [key] of best.filter(([, n]) => n * 2 > best[0][1])) {
      const [left, right] = key.split('\t');
      const merged = left + right.slice(prefix && right.startsWith(prefix) ? prefix.length : 0);
      merges.push([left, right]);
      vocab.push(merged);
      for (const word of symbols) {
        for (let i = 1; i < word.length; ++i) if (word[i - 1] === left && word[i] === right) word.splice(i - 1, 2, merged);
      }
    }
  }
  return { vocab: numbered(vocab), merges };
}
