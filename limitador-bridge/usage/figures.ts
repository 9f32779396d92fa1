/** Reading counts out of raw usage objects, where nothing can be trusted to be what it should. */

export type RawObject = Record<string, unknown>;

/** A plain JSON object; arrays and null are none. */
export function isObject(value: unknown): value is RawObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** No exchange has so many tokens; below it, sums stay exact. */
const MAX_COUNT = 1e12;

/** A count: an integer from 0 to 10^12. What is above makes no sense. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_COUNT;
}

/** Keys by path: paths are literals of the code, a few hundred, and are read for every record. */
const keysOf = new Map<string, readonly string[]>();

function keysIn(path: string): readonly string[] {
  let keys = keysOf.get(path);
  if (keys === undefined) {
    keys = path.split(".");
    keysOf.set(path, keys);
  }
  return keys;
}

/** The value at a dotted path of own keys; undefined where there is none, or null. */
export function valueAt(raw: unknown, path: string): unknown {
  let value: unknown = raw;
  for (const key of keysIn(path)) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value ?? undefined;
}

/** Reads the figures of one usage object and remembers whether one of them was malformed. */
export interface Figures {
  /** A figure that the total rests on: the first of the paths that is there. */
  main(...paths: string[]): number | undefined;
  /** A part of a figure: the largest that makes sense, 0 where there is none. */
  part(...paths: string[]): number;
  /** Some main figure was there and is no count. */
  readonly malformed: boolean;
}

export function figuresOf(raw: RawObject): Figures {
  const values = new Map<string, unknown>();
  flatten(raw, "", 1, values);
  let malformed = false;
  return {
    main(...paths) {
      for (const path of paths) {
        const value = values.get(path);
        if (value === undefined) continue;
        if (isCount(value)) return value;
        malformed = true;
        return undefined;
      }
      return undefined;
    },
    part(...paths) {
      let largest = 0;
      for (const path of paths) {
        const value = values.get(path);
        if (isCount(value) && value > largest) largest = value;
      }
      return largest;
    },
    get malformed() {
      return malformed;
    },
  };
}

/** Of the paths that figures are read at none is deeper. */
const MAX_DEPTH = 2;

/** What is at each path: many paths are read, and most of them are not there. */
function flatten(raw: RawObject, prefix: string, depth: number, into: Map<string, unknown>): void {
  for (const key of Object.keys(raw)) {
    const value = raw[key];
    // A dot in a key is none in a path.
    if (value === null || key.includes(".")) continue;
    const path = prefix + key;
    into.set(path, value);
    if (depth < MAX_DEPTH && isObject(value)) flatten(value, `${path}.`, depth + 1, into);
  }
}

/** Tokens by modality, e.g. `[{"modality":"AUDIO","tokenCount":250}]`, names in upper case. */
export function byModality(list: unknown, countKey: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const entry of Array.isArray(list) ? list : []) {
    const modality = valueAt(entry, "modality");
    const count = valueAt(entry, countKey);
    if (typeof modality !== "string" || !isCount(count)) continue;
    const name = modality.toUpperCase();
    counts.set(name, (counts.get(name) ?? 0) + count);
  }
  return counts;
}
