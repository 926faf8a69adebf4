// The reference for SentencePiece folders: Debian's libsentencepiece behind sentencepiece_server, and Marian's vocab.json over it with the
// language codes of transformers' MarianTokenizer: one before the text is a token, all others are dropped.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Subject } from './subject.mjs';

/** The reference program in a build folder of `root`, or null. */
export function findServer(root) {
  const build = join(root, 'build');
  const presets = existsSync(build) ? readdirSync(build) : [];
  return presets.map((preset) => join(build, preset, 'tests/text/sentencepiece_server')).find((path) => existsSync(path)) ?? null;
}

/** Answers NativeOracle's questions for single texts, with ids only; `vocab` (piece to id) replaces the model's own numbers. */
export class PieceOracle {
  constructor({ server, model, decoderModel, vocab }) {
    this.encoder = new Subject(server, [model]);
    this.decoder = decoderModel ? new Subject(server, [decoderModel]) : this.encoder;
    this.vocab = vocab;
    this.pieces = vocab && new Map(Object.entries(vocab).map(([piece, id]) => [id, piece]));
  }

  /** There is nothing to set: the model is the file's. */
  use() {}

  async vocabulary() {
    return (await this.encoder.ask(['{"vocabulary":true}']))[0].pieces;
  }

  async ask(questions) {
    if (!questions.length) return [];
    if (questions[0].ids) {
      const answers = await this.decoder.askSafely(questions.map(({ ids }) => JSON.stringify(this.vocab ? { join: ids.map((id) => this.pieces.get(id)) } : { ids })));
      return this.vocab ? answers.map((text) => text.replaceAll('▁', ' ').trim()) : answers;
    }
    const texts = questions.map(({ text }) => text.toWellFormed());
    const bodies = this.vocab ? texts.map((text) => text.replace(/>>[^\n]+<</g, '')) : texts;
    const answers = await this.encoder.askSafely(bodies.map((text) => JSON.stringify({ text })));
    if (!this.vocab) return answers.map(({ ids }) => ({ ids }));
    const codes = texts.map((text) => text.match(/^>>[^\n]+<</) ?? []);
    return answers.map(({ pieces }, i) => ({ ids: [...codes[i], ...pieces].map((piece) => this.vocab[piece] ?? this.vocab['<unk>']) }));
  }

  stop() {
    this.encoder.stop();
    this.decoder.stop();
  }
}
