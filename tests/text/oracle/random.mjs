// A small seeded generator (splitmix-style hash of a seed and an index), so that each text can be made again alone.
export class Random {
  constructor(seed, stream = 0) {
    this.state = (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul((stream | 0) + 0x7f4a7c15, 0x85ebca6b)) | 0;
    for (let i = 0; i < 4; ++i) this.next();
  }

  /** An unsigned 32-bit integer. */
  next() {
    this.state = (this.state + 0x9e3779b9) | 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  /** An integer in [low, high]. */
  between(low, high) {
    return low + (this.next() % (high - low + 1));
  }

  chance(probability) {
    return this.next() < probability * 4294967296;
  }

  pick(list) {
    return list[this.next() % list.length];
  }

  /** A length in [low, high], small ones likelier. */
  length(low, high) {
    const u = this.next() / 4294967296;
    return low + Math.floor((high - low + 1) * u * u);
  }
}
