export type HeaderPairs = [name: string, value: string][];
/** Headers as tests write them; a list of values makes the header come more than once. */
export type HeaderInput = Record<string, string | number | readonly string[]> | HeaderPairs;

/** Headers in order, as Envoy holds them: names in lower case, a name may come more than once. */
export class HeaderMap {
  private pairs: HeaderPairs = [];

  constructor(input: HeaderInput = []) {
    if (Array.isArray(input)) {
      for (const [name, value] of input) this.add(name, value);
      return;
    }
    for (const [name, value] of Object.entries(input)) {
      if (typeof value === "object") for (const one of value) this.add(name, one);
      else this.add(name, String(value));
    }
  }

  get size(): number {
    return this.pairs.length;
  }

  /** Bytes of all names and values, as Envoy counts a map's size. */
  get byteSize(): number {
    let bytes = 0;
    for (const [name, value] of this.pairs) {
      bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    }
    return bytes;
  }

  /** The first value of a header; undefined where it is absent. */
  get(name: string): string | undefined {
    const lower = name.toLowerCase();
    return this.pairs.find(([key]) => key === lower)?.[1];
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  add(name: string, value: string): void {
    this.pairs.push([name.toLowerCase(), value]);
  }

  /** Envoy's setCopy: the first value is replaced, further ones go, an absent one is added. */
  replace(name: string, value: string): void {
    const lower = name.toLowerCase();
    const at = this.pairs.findIndex(([key]) => key === lower);
    if (at < 0) {
      this.pairs.push([lower, value]);
      return;
    }
    this.pairs = this.pairs.filter(([key], i) => key !== lower || i === at);
    this.pairs[at] = [lower, value];
  }

  remove(name: string): void {
    const lower = name.toLowerCase();
    this.pairs = this.pairs.filter(([key]) => key !== lower);
  }

  replaceAll(pairs: HeaderPairs): void {
    this.pairs = pairs.map(([name, value]) => [name.toLowerCase(), value]);
  }

  toPairs(): HeaderPairs {
    return this.pairs.map(([name, value]) => [name, value]);
  }

  /** As an object; values of a header that comes more than once are joined by a comma. */
  toObject(): Record<string, string> {
    const object: Record<string, string> = {};
    for (const [name, value] of this.pairs) {
      const before = object[name];
      object[name] = before === undefined ? value : `${before},${value}`;
    }
    return object;
  }

  copy(): HeaderMap {
    return new HeaderMap(this.toPairs());
  }
}
