import { describe, expect, test } from "vitest";
import { bytesOf, type ScanModule } from "./scan-module.ts";

interface Node {
  type: string;
  text: string;
  start: number;
  end: number;
  keys: string[];
  items: Node[];
}

const valid = [
  "0",
  " -12.5e3 ",
  '"a\\n\\u00e9\\ud83d\\ude00é中😀\\"\\\\\\/\\b\\f\\r\\t"',
  '""',
  "true",
  "false",
  "null",
  "[]",
  "{}",
  '[1,[2,"x"],{"a":[]},null]',
  ' { "a" : 1 , "b\\u0041" : { "c" : [ true , false ] } , "" : "" } ',
  `${"[".repeat(64)}${"]".repeat(64)}`,
];

const malformed = [
  "",
  " ",
  "{",
  "[",
  "[1",
  "[1,",
  "[1,]",
  "[1 2]",
  "{]",
  '{"a"',
  '{"a":',
  '{"a":1',
  '{"a":1,',
  '{"a":1,}',
  "{1:2}",
  '{"a" 1}',
  "01",
  "-",
  "1.",
  "1e",
  ".5",
  "+1",
  "tru",
  "trux",
  "nul",
  "True",
  "NaN",
  "1 2",
  "{} x",
  '"',
  '"a',
  '"\\',
  '"\\"',
  '"\\q"',
  '"\\u12"',
  '"\\u12x4"',
  '"\\u123',
  '"\u0001"',
  '"\\\u0001"',
  "\0",
  `${"[".repeat(65)}${"]".repeat(65)}`,
  "[".repeat(100_000),
  '{"a":'.repeat(100_000),
  `[${"1,".repeat(100_000)}1]`,
];

const fields: [document: string, found: unknown[]][] = [
  ['{"s":"x","i":5,"b":true}', ["x", 5, true]],
  ["{}", ["none", -1, false]],
  ['{"s":1,"i":"5","b":"true"}', ["none", -1, false]],
  ['{"s":null,"i":null,"b":null}', ["none", -1, false]],
  ['{"s":"a","s":"b","i":1,"i":2,"b":true,"b":false}', ["b", 2, false]],
  ['{"i":-123456789012345}', ["none", -123456789012345, false]],
  ['{"i":1.5}', ["none", -1, false]],
  ['{"i":1e3}', ["none", -1, false]],
  ['{"i":-0}', ["none", 0, false]],
  ['{"i":9999999999999999999}', ["none", -1, false]],
  ["[1]", ["none", -1, false]],
];

/** The value that a node stands for. */
function valueAt(node: Node): unknown {
  switch (node.type) {
    case "{":
      return Object.fromEntries(node.keys.map((key, i) => [key, valueAt(node.items[i]!)]));
    case "[":
      return node.items.map(valueAt);
    case '"':
      return node.text;
    case "0":
      return Number(node.text);
    default:
      return { t: true, f: false, n: null }[node.type];
  }
}

function parse(scan: ScanModule, bytes: Uint8Array): Node | null {
  const ok = scan.call("treeParse", scan.write(bytes), bytes.length) === 1;
  if (!ok) return null;
  scan.call("treeWrite");
  return JSON.parse(new TextDecoder().decode(scan.written())) as Node;
}

function checkOffsets(node: Node, source: Buffer): void {
  const raw = source.subarray(node.start, node.end).toString("utf8");
  expect(valueAt(node)).toEqual(JSON.parse(raw));
  for (const item of node.items) checkOffsets(item, source);
}

export function describeTree(scan: ScanModule): void {
  describe("parseJson", () => {
    test.each(valid)("valid: %j", (text) => {
      const node = parse(scan, bytesOf(text));
      expect(node && valueAt(node)).toEqual(JSON.parse(text));
      checkOffsets(node!, Buffer.from(text));
      scan.call("treeFree");
    });

    test("malformed", () => {
      for (const text of malformed) {
        const found = parse(scan, bytesOf(text));
        expect([text.slice(0, 40), found]).toEqual([text.slice(0, 40), null]);
      }
      scan.call("treeFree");
    });

    test("invalid UTF-8 becomes U+FFFD, a lone surrogate stays one character", () => {
      const bytes = Buffer.from('"a\xff\xc3b\\ud83d"', "latin1");
      expect(parse(scan, bytes)?.text).toBe("a\ufffd\ufffdb\ufffd");
    });

    test("a text of over 4 MiB is refused", () => {
      expect(scan.call("treeParse", scan.write(bytesOf("1")), (4 << 20) + 1)).toBe(0);
    });

    test.each(fields)("str, int and bool of %s", (document, found) => {
      const bytes = bytesOf(document);
      expect(scan.call("treeParse", scan.write(bytes), bytes.length)).toBe(1);
      scan.call("treeFields");
      expect(JSON.parse(new TextDecoder().decode(scan.written()))).toEqual(found);
    });
  });
}
