// Drives one `sardonyx tokenize` or `detokenize` process: a line in, a line out, in order.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The program under test: SARDONYX_BIN, else the newest `sardonyx` in a build folder of `root`; null where none is. */
export function findProgram(root) {
  if (process.env.SARDONYX_BIN) return process.env.SARDONYX_BIN;
  const found = [];
  const build = join(root, 'build');
  for (const preset of existsSync(build) ? readdirSync(build) : []) {
    for (const folder of ['', 'src', 'src/cli', 'bin']) {
      const path = join(build, preset, folder, 'sardonyx');
      if (existsSync(path) && statSync(path).isFile()) found.push({ path, time: statSync(path).mtimeMs });
    }
  }
  return found.sort((a, b) => b.time - a.time)[0]?.path ?? null;
}

export class Subject {
  constructor(program, args, patience_s = 120) {
    this.crashes = 0;
    this.command = [program, ...args];
    this.patience_ms = patience_s * 1000;
    this.child = null;
  }

  start() {
    const child = spawn(this.command[0], this.command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    this.waiting = [];
    this.partial = [];
    this.errors = '';
    child.stdin.on('error', () => {});
    child.stderr.on('data', (data) => { this.errors = (this.errors + data).slice(-2000); });
    child.stdout.on('data', (data) => { if (child === this.child) this.receive(data); });
    child.on('close', (code, signal) => { if (child === this.child) this.fail(`exit ${code ?? signal}: ${this.errors.trim()}`); });
    child.on('error', (error) => { if (child === this.child) this.fail(String(error)); });
  }

  receive(data) {
    let start = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
      this.partial.push(data.subarray(start, end));
      const line = Buffer.concat(this.partial);
      this.partial = [];
      start = end + 1;
      const taker = this.waiting.shift();
      if (taker) taker.resolve(line);
    }
    if (start < data.length) this.partial.push(data.subarray(start));
  }

  fail(reason) {
    this.child = null;
    for (const taker of this.waiting) taker.reject(new Error(reason));
    this.waiting = [];
  }

  /** Sends `lines` (Buffers or strings without newline) and resolves to the parsed answers; rejects when the process ends. */
  async ask(lines) {
    if (!this.child) this.start();
    const answers = lines.map(() => new Promise((resolve, reject) => this.waiting.push({ resolve, reject })));
    const timer = setTimeout(() => this.child?.kill('SIGKILL'), this.patience_ms);
    for (const line of lines) {
      this.child?.stdin.write(line);
      this.child?.stdin.write('\n');
    }
    try {
      return (await Promise.all(answers)).map((line) => JSON.parse(line.toString('utf8')));
    } finally {
      clearTimeout(timer);
      await Promise.allSettled(answers);
    }
  }

  /** As `ask`, but a line that ends the process gets {crash: reason} and the others their answers. */
  async askSafely(lines) {
    if (this.crashes > 100) return lines.map(() => ({ crash: 'it ended too often to be asked again', unasked: true }));
    try {
      return await this.ask(lines);
    } catch (error) {
      if (lines.length === 1) {
        ++this.crashes;
        return [{ crash: String(error.message) }];
      }
      this.stop();
      const half = lines.length >> 1;
      return [...await this.askSafely(lines.slice(0, half)), ...await this.askSafely(lines.slice(half))];
    }
  }

  stop() {
    const child = this.child;
    this.child = null;
    child?.stdin.end();
    child?.kill();
  }
}

/** The input line of a text: JSON, with invalid bytes left raw between the quotes. */
export function inputLine(item) {
  if (item.pair !== undefined) return JSON.stringify([item.text, item.pair]);
  if (!item.bytes) return JSON.stringify(item.text);
  const parts = [Buffer.from('"')];
  for (const byte of item.bytes) {
    if (byte < 0x20 || byte === 0x22 || byte === 0x5c || byte === 0x7f) parts.push(Buffer.from(`\\u00${byte.toString(16).padStart(2, '0')}`));
    else parts.push(Buffer.from([byte]));
  }
  parts.push(Buffer.from('"'));
  return Buffer.concat(parts);
}
