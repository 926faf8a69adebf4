// What is compared: the folders under ../shared as they are, and folders staged from their older files alone.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { syntheticTarget, syntheticCount } from './synthetic.mjs';

const whole = ['bert-base-uncased', 'gpt2', 'roberta-base', 't5-small', 'whisper.tiny', 'whisper-phowhisper-tiny', 'clip', 'barthez-xlmr-like',
  'falcon-tokenizer', 'phi-2'];
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** A folder made under `work` of copied files, and of strings and objects, these written as JSON; returns its path. */
export function stage(work, name, copies, objects = {}) {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  for (const path of copies) cpSync(path, join(folder, path.split('/').pop()));
  for (const [file, value] of Object.entries(objects)) writeFileSync(join(folder, file), typeof value === 'string' ? value : JSON.stringify(value));
  return folder;
}

/** The tokenizer.json that BERT's vocab.txt stands for. */
function bertReference(vocabPath, options) {
  const vocab = {};
  readFileSync(vocabPath, 'utf8').replace(/\n$/, '').split('\n').forEach((token, id) => { vocab[token] = id; });
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].filter((token) => token in vocab);
  const token = (id) => ({ SpecialToken: { id, type_id: 0 } });
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: special.map((content) => ({ id: vocab[content], content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true, ...options },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [token('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, token('[SEP]')],
      pair: [token('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, token('[SEP]'), { Sequence: { id: 'B', type_id: 1 } }, { SpecialToken: { id: '[SEP]', type_id: 1 } }],
      special_tokens: Object.fromEntries(['[CLS]', '[SEP]'].map((id) => [id, { id, ids: [vocab[id]], tokens: [id] }])),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
  };
}

/** Takes the spaces at the ends away; the reference's Strip aborts on texts that are shorter than its counts. */
const trim = { type: 'Replace', pattern: { Regex: '\\A +| +\\z' }, content: '' };

/**
 * Wav2Vec2's character vocabulary as a merge-free BPE: a space is the delimiter "|", the decoder is CTC's, without spaces
 * at the ends. Padding is CTC's blank, which skipping special tokens leaves in place.
 */
function ctcReference(vocab) {
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: ['<pad>', '<s>', '</s>', '<unk>'].map((content) => ({ id: vocab[content], content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: content !== '<pad>' })),
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '|' },
    pre_tokenizer: { type: 'Split', pattern: { String: '|' }, behavior: 'Isolated', invert: false },
    post_processor: null,
    decoder: { type: 'Sequence', decoders: [{ type: 'CTC', pad_token: '<pad>', word_delimiter_token: '|', cleanup: true }, { type: 'Fuse' }, trim] },
    model: { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, vocab, merges: [] },
  };
}

function withReference(work, name, folder, reference, more = {}) {
  const file = join(work, `${name}.reference.json`);
  writeFileSync(file, JSON.stringify(reference));
  return { name, folder, file, ...more };
}

/** How transformers decodes CLIP's tokens; the published tokenizer.json leaves the ends of words in. */
const clipDecoder = {
  type: 'Sequence',
  decoders: [{ type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true }, { type: 'Replace', pattern: { String: '</w>' }, content: ' ' }, trim],
};

/** A BPE tokenizer.json's model as the older files vocab.json and merges.txt. */
function bpeFiles({ model }) {
  const pairs = model.merges.map((pair) => (Array.isArray(pair) ? pair.join(' ') : pair));
  return { 'vocab.json': model.vocab, 'merges.txt': `#version: 0.2\n${pairs.join('\n')}\n` };
}

/** Older files alone, each against the tokenizer.json that they stand for. */
function olderFiles(tokenizers, work) {
  const at = (...parts) => join(tokenizers, ...parts);
  const none = { ...{ truncation: null, padding: null } };
  return {
    'bert-base-cased': () => withReference(work, 'bert-base-cased', at('bert-base-cased'), bertReference(at('bert-base-cased', 'vocab.txt'), { lowercase: false })),
    'bert-vocab': () => withReference(work, 'bert-vocab', stage(work, 'bert-vocab', [at('bert-base-uncased', 'vocab.txt')]), bertReference(at('bert-base-uncased', 'vocab.txt'), {})),
    'bert-config': () => withReference(work, 'bert-config',
      stage(work, 'bert-config', [at('bert-base-cased', 'vocab.txt')], { 'tokenizer_config.json': { tokenizer_class: 'BertTokenizer', do_lower_case: true, strip_accents: false, tokenize_chinese_chars: false } }),
      bertReference(at('bert-base-cased', 'vocab.txt'), { lowercase: true, strip_accents: false, handle_chinese_chars: false })),
    'gpt2-files': () => withReference(work, 'gpt2-files', stage(work, 'gpt2-files', [at('gpt2', 'vocab.json'), at('gpt2', 'merges.txt')]), { ...read(at('gpt2', 'tokenizer.json')), ...none }),
    'roberta-files': () => withReference(work, 'roberta-files',
      stage(work, 'roberta-files', [at('roberta-base', 'vocab.json'), at('roberta-base', 'merges.txt')], { 'tokenizer_config.json': { tokenizer_class: 'RobertaTokenizer' } }),
      { ...read(at('roberta-base', 'tokenizer.json')), ...none }),
    'clip-files': () => {
      const json = read(at('clip', 'tokenizer.json'));
      const token = (content) => json.added_tokens.find((added) => added.content === content);
      const config = { bos_token: token('<|startoftext|>'), eos_token: token('<|endoftext|>'), unk_token: token('<|endoftext|>'), pad_token: '<|endoftext|>', do_lower_case: true, errors: 'replace', model_max_length: 77, tokenizer_class: 'CLIPTokenizer' };
      return withReference(work, 'clip-files', stage(work, 'clip-files', [], { ...bpeFiles(json), 'tokenizer_config.json': config }), { ...json, ...none, decoder: clipDecoder });
    },
    'opt-files': () => {
      const json = read(at('roberta-base', 'tokenizer.json'));
      const special = (id, type_id) => ({ SpecialToken: { id, type_id } });
      const text = (id, type_id) => ({ Sequence: { id, type_id } });
      const [id] = json.added_tokens.filter(({ content }) => content === '</s>').map((token) => token.id);
      const added = json.added_tokens.filter(({ content }) => ['</s>', '<pad>'].includes(content));
      const post = { type: 'TemplateProcessing', single: [special('</s>', 0), text('A', 0)], pair: [special('</s>', 0), text('A', 0), text('B', 1)], special_tokens: { '</s>': { id: '</s>', ids: [id], tokens: ['</s>'] } } };
      const config = { bos_token: '</s>', eos_token: '</s>', unk_token: '</s>', pad_token: '<pad>', add_prefix_space: false, add_bos_token: true, tokenizer_class: 'GPT2Tokenizer' };
      return withReference(work, 'opt-files', stage(work, 'opt-files', [], { ...bpeFiles(json), 'tokenizer_config.json': config }), { ...json, ...none, added_tokens: added, post_processor: post });
    },
    'whisper-files': () => withReference(work, 'whisper-files',
      stage(work, 'whisper-files', ['vocab.json', 'merges.txt', 'added_tokens.json'].map((f) => at('whisper-phowhisper-tiny', f)), { 'tokenizer_config.json': { tokenizer_class: 'WhisperTokenizer' } }),
      { ...read(at('whisper-phowhisper-tiny', 'tokenizer.json')), ...none }, { configs: ['bare', 'decode'] }),
    'wav2vec2-base-960h': () => withReference(work, 'wav2vec2-base-960h', at('wav2vec2-base-960h'), ctcReference(read(at('wav2vec2-base-960h', 'vocab.json')))),
  };
}

/** SentencePiece models alone, under the names that the Hub gives them, and Marian's three files. */
function pieceFolders(tokenizers, work, server) {
  const at = (...parts) => join(tokenizers, ...parts);
  const alone = (name, path, file) => () => {
    const folder = join(work, name);
    mkdirSync(folder, { recursive: true });
    cpSync(path, join(folder, file));
    return { name, folder, pieces: { server, model: path } };
  };
  const list = { 'sp-t5-small': alone('sp-t5-small', at('t5-small/spiece.model'), 'spiece.model') };
  list['sp-barthez'] = alone('sp-barthez', at('barthez-xlmr-like/sentencepiece.bpe.model'), 'sentencepiece.bpe.model');
  for (const file of readdirSync(at('hf-fixtures')).filter((entry) => entry.endsWith('.model'))) {
    const name = `sp-${file.replace(/^test_sentencepiece_?|\.model$/g, '') || 'unigram'}`;
    list[name] = alone(name, at('hf-fixtures', file), 'spiece.model');
  }
  list['opus-mt-en-mg'] = () => {
    const vocab = read(at('opus-mt-en-mg/vocab.json'));
    return { name: 'opus-mt-en-mg', folder: at('opus-mt-en-mg'), pieces: { server, model: at('opus-mt-en-mg/source.spm'), decoderModel: at('opus-mt-en-mg/target.spm'), vocab } };
  };
  return list;
}

/** Every target by name: a function that stages it and returns {name, folder, file, configs?} or, for SentencePiece, {name, folder, pieces}. */
export function allTargets(tokenizers, work, server) {
  const targets = {};
  for (const name of whole) {
    const folder = join(tokenizers, name);
    if (existsSync(join(folder, 'tokenizer.json'))) targets[name] = () => ({ name, folder, file: join(folder, 'tokenizer.json') });
  }
  Object.assign(targets, olderFiles(tokenizers, work), pieceFolders(tokenizers, work, server));
  for (let i = 0; i < syntheticCount; ++i) targets[`synthetic-${i}`] = () => syntheticTarget(tokenizers, work, i);
  return targets;
}

/** The pieces and added tokens of a tokenizer.json, as text to build strings of. */
export function vocabularyOf(file) {
  const json = read(file);
  const raw = Array.isArray(json.model.vocab) ? json.model.vocab.map(([piece]) => piece) : Object.keys(json.model.vocab);
  const byteLevel = JSON.stringify([json.pre_tokenizer, json.decoder]).includes('"ByteLevel"');
  const table = byteLevel ? byteTable() : null;
  const plain = (piece) => {
    if (table && [...piece].every((c) => table.has(c))) return Buffer.from([...piece].map((c) => table.get(c))).toString('utf8');
    return piece.replaceAll('▁', ' ').replace(/^##/, '').replace(/<\/w>$/, ' ');
  };
  const added = json.added_tokens.map((token) => token.content);
  return { added: added.length ? added : ['<s>', '[CLS]'], pieces: raw.map(plain), size: raw.length + added.length };
}

/** GPT-2's byte alphabet, character to byte. */
function byteTable() {
  const table = new Map();
  let next = 256;
  for (let byte = 0; byte < 256; ++byte) {
    const visible = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table.set(String.fromCodePoint(visible ? byte : next++), byte);
  }
  return table;
}
