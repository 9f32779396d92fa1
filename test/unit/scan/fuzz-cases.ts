import { describe, expect, test } from "vitest";
import { damaged, frame, header } from "./frames.ts";
import {
  bytesOf,
  cut,
  Kind,
  type Pointer,
  type ScanModule,
  type Scanner,
  settled,
} from "./scan-module.ts";

const SEED = 20_26;
const VALID_INPUTS = 6_000;
const WILD_INPUTS = 16_000;

const pointers: Pointer[] = [
  ["", Kind.Value],
  ["/a", Kind.Value],
  ["/a/b", Kind.Value],
  ["/a/*", Kind.Value],
  ["/a/0", Kind.Value],
  ["/b/*/é", Kind.Value],
  ["/b/a/a", Kind.Value],
  ["/é", Kind.Text],
  ["/a/*/a", Kind.Text],
  ["/b", Kind.Probe],
  ["/😀", Kind.Base64],
];

/** mulberry32: small, and the same on every machine. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Random = ReturnType<typeof random>;
const pick = <T>(next: Random, list: readonly T[]): T => list[next(list.length)]!;

const texts = ["", "a", "é", '"', "\\", "\n\u0001", "中😀", "\ud83d", "x".repeat(40), "e30="];
const numbers = [0, -1, 1.5, 1e21, -2e-7, 123456789];

function value(next: Random, depth: number): unknown {
  const kind = next(depth > 3 ? 4 : 7);
  if (kind < 2) return pick(next, texts);
  if (kind === 2) return pick(next, numbers);
  if (kind === 3) return pick(next, [true, false, null]);
  const size = next(4);
  if (kind === 4) return Array.from({ length: size }, () => value(next, depth + 1));
  return object(next, depth, size);
}

function object(next: Random, depth: number, size: number): Record<string, unknown> {
  const keys = Array.from({ length: size }, () => pick(next, ["a", "b", "é", "😀", "0", "", "\\"]));
  return Object.fromEntries(keys.map((key) => [key, value(next, depth + 1)]));
}

/** JSON with white space here and there, and some characters of strings escaped. */
function write(next: Random, of: unknown): string {
  const space = () => pick(next, ["", "", "", " ", "\n\t"]);
  if (typeof of === "string") {
    const unit = (u: string) => `\\u${u.charCodeAt(0).toString(16).padStart(4, "0")}`;
    const escaped = (character: string) => character.split("").map(unit).join("");
    const plain = JSON.stringify(of);
    return next(3) > 0 ? plain : plain.replace(/[aé😀x](?![^\\]*\\)/gu, escaped);
  }
  if (Array.isArray(of)) return `[${space()}${of.map((v) => write(next, v)).join(`${space()},`)}]`;
  if (of === null || typeof of !== "object") return JSON.stringify(of);
  const members = Object.entries(of).map(
    ([key, v]) => `${space()}${write(next, key)}${space()}:${space()}${write(next, v)}`,
  );
  return `{${members.join(`${space()},`)}${space()}}`;
}

/** What a pointer finds in a document, in any order. */
function find(of: unknown, segments: readonly string[]): unknown[] {
  const [segment, ...rest] = segments;
  if (segment === undefined) return [of];
  if (of === null || typeof of !== "object") return [];
  if (segment === "*") return Array.isArray(of) ? of.flatMap((v) => find(v, rest)) : [];
  return Object.hasOwn(of, segment) ? find((of as Record<string, unknown>)[segment], rest) : [];
}

const sorted = (list: readonly unknown[]) => list.map((v) => JSON.stringify(v)).sort();
/** Bytes of a text; half a pair counts as the three bytes of any such character. */
const textBytes = (text: string) => Buffer.byteLength(text);

function checkDocument(scan: ScanModule, next: Random): void {
  const document = object(next, 0, next(6));
  // The base64 string is decoded into documents of its own: not what is compared here.
  delete document["😀"];
  const bytes = bytesOf(write(next, document));
  const told = settled(scan.run("json", cut(bytes, next(bytes.length + 1))));
  expect(told.filter(([name]) => name === "document")).toEqual([["document", true]]);
  pointers.forEach(([pointer, kind], id) => {
    const found = find(document, pointer.split("/").slice(1));
    const mine = told.filter((call) => call[1] === id && call[0] !== "document");
    if (kind === Kind.Value) {
      const raw = mine.map((call) => Buffer.from(String(call[3]), "latin1").toString());
      expect(sorted(raw.map((text) => JSON.parse(text)))).toEqual(sorted(found));
    } else if (kind === Kind.Text) {
      const strings = found.filter((v) => typeof v === "string");
      const sum = strings.reduce((total, v) => total + textBytes(v), 0);
      expect(mine).toEqual(sum === 0 ? [] : [["text", id, sum]]);
    } else {
      expect(mine.length).toBe(found.length);
    }
  });
}

/** Bytes with some of them changed, left out, said twice, or replaced by ones that matter. */
function mutate(next: Random, bytes: Buffer): Buffer {
  let mutated = Buffer.from(bytes);
  for (let changes = next(4); changes >= 0 && mutated.length > 0; changes--) {
    const at = next(mutated.length);
    const [head, tail] = [mutated.subarray(0, at), mutated.subarray(at)];
    const piece = mutated.subarray(at, at + next(20));
    const special = Buffer.from(
      pick(next, ['"', "\\", "{", "]", "\n", "\r", ":", "\\u", "\xff", "0"]),
    );
    switch (next(4)) {
      case 0:
        mutated = Buffer.concat([head, special, tail.subarray(1)]);
        break;
      case 1:
        mutated = Buffer.concat([head, tail.subarray(next(10))]);
        break;
      case 2:
        mutated = Buffer.concat([head, piece, tail]);
        break;
      default:
        mutated.writeUInt8(next(256), at);
    }
  }
  return mutated;
}

function seedsOf(next: Random): [Scanner, Buffer][] {
  const json = write(next, object(next, 0, 4));
  const encoded = JSON.stringify({ "😀": Buffer.from(json).toString("base64") });
  const events = Buffer.from(`data: ${json}\r\n\r\n: x\n\ndata:${encoded}\r\rdata: [DONE]\n\n`);
  const message = frame(encoded, header(":event-type", "chunk"));
  const frames = Buffer.concat([message, damaged(message, -1), frame(json)]);
  return [
    ["json", Buffer.from(json)],
    ["json", Buffer.from(`[${json},${encoded}]\n${json}`)],
    ["sse", events],
    ["frames", frames],
    ["json", Buffer.from(Array.from({ length: next(60) }, () => next(256)))],
  ];
}

/** Scans, parses and writes an input; must neither trap nor depend on how the input is cut. */
function survive(scan: ScanModule, next: Random): void {
  const [scanner, seed] = pick(next, seedsOf(next));
  const input = next(5) === 0 ? seed : mutate(next, seed);
  const whole = settled(scan.run(scanner, [input]));
  expect(settled(scan.run(scanner, cut(input, next(input.length + 1))))).toEqual(whole);
  for (const [name, , , raw] of whole) {
    if (name !== "value") continue;
    const captured = Buffer.from(String(raw), "latin1");
    scan.call("writeReset");
    scan.call("writeValue", scan.write(captured), captured.length);
    JSON.parse(Buffer.from(scan.written()).toString("utf8"));
  }
  scan.call("treeParse", scan.write(input), input.length);
  scan.call("treeFree");
}

export function describeFuzz(scan: ScanModule): void {
  describe("fuzz", () => {
    test("captures are what JSON.parse finds", () => {
      const next = random(SEED);
      scan.use(pointers);
      for (let i = 0; i < VALID_INPUTS; i++) checkDocument(scan, next);
    });

    test("nothing traps, depends on cuts, leaves invalid JSON or makes memory grow", () => {
      const next = random(SEED + 1);
      scan.use(pointers);
      for (let i = 0; i < 1_000; i++) survive(scan, next);
      const before = scan.memoryBytes();
      for (let i = 0; i < WILD_INPUTS; i++) survive(scan, next);
      expect(scan.memoryBytes()).toBe(before);
    });
  });
}
