import { describe, expect, test } from "vitest";
import { bytesOf, type Call, cut, Kind, type Pointer, type ScanModule } from "./scan-module.ts";

/** Pointer, document, and the values captured there. */
const matches: [pointer: string, document: string, values: string[]][] = [
  ["", '{"a":1}', ['{"a":1}']],
  ["", "12", ["12"]],
  ["/a", '{"a":1}', ["1"]],
  ["/a", '{"b":1}', []],
  ["/a", '{"b":{"a":1}}', []],
  ["/a", '[{"a":1},{"a":2}]', ["1", "2"]],
  ["/a", '{"a":1,"a":2}', ["1", "2"]],
  ["/", '{"":1}', ["1"]],
  ["/a//b", '{"a":{"":{"b":1}}}', ["1"]],
  ["/a/0", '{"a":[5,6]}', ["5"]],
  ["/a/1", '{"a":[5,6]}', ["6"]],
  ["/a/10", '{"a":[0,1,2,3,4,5,6,7,8,9,"x"]}', ['"x"']],
  ["/a/0", '{"a":{"0":7}}', ["7"]],
  ["/a/00", '{"a":[5]}', []],
  ["/a/00", '{"a":{"00":5}}', ["5"]],
  ["/a/*", '{"a":[5,6]}', ["5", "6"]],
  ["/a/*", '{"a":{"*":5,"x":6}}', []],
  ["/*/a", '[[{"a":1}]]', []],
  ["/a/*/b", '{"a":[{"b":1},{"c":2},[3],{"b":4}]}', ["1", "4"]],
  ["/a/*/*", '{"a":[[1,2],3,[[4]]]}', ["1", "2", "[4]"]],
  ["/a~1b", '{"a/b":1}', ["1"]],
  ["/a~0b", '{"a~b":1}', ["1"]],
  ["/a~01b", '{"a~1b":1}', ["1"]],
  ["/a/b", '{"a":[{"b":1}]}', []],
  ["/model", '{"mod\\u0065l":1}', ["1"]],
  ["/model", '{"\\u006d\\u006F\\u0064\\u0065\\u006C":1}', ["1"]],
  ["/a\nb", '{"a\\nb":1}', ["1"]],
  ['/q"\\', '{"q\\"\\\\":1}', ["1"]],
  ["/a~1b", '{"a\\/b":1}', ["1"]],
  ["/é", '{"\\u00e9":1,"é":2}', ["1", "2"]],
  ["/中", '{"\\u4e2d":1,"中":2}', ["1", "2"]],
  ["/😀", '{"\\ud83d\\ude00":1,"😀":2}', ["1", "2"]],
  ["/model", '{"\\ud83dmodel":1,"model\\ud83d":2}', []],
  ["/model", '{"models":1,"mode":2,"mod\\u0065ls":3,"mod\\u0065":4}', []],
];

const refused: [why: string, pointer: string][] = [
  ["no slash at the start", "a"],
  ["over 16 segments", "/a".repeat(17)],
  ["a segment over 256 bytes", `/${"é".repeat(129)}`],
];

function values(calls: readonly Call[], id: number): string[] {
  const raw = calls.filter(([name, pointer]) => name === "value" && pointer === id);
  return raw.map((call) => Buffer.from(String(call[3]), "latin1").toString("utf8"));
}

export function describePointers(scan: ScanModule): void {
  describe("pointers", () => {
    test.each(matches)("%j in %s", (pointer, document, expected) => {
      const [id] = scan.use([[pointer, Kind.Value]]);
      const bytes = bytesOf(document);
      for (let at = 0; at <= bytes.length; at++) {
        expect(values(scan.run("json", cut(bytes, at)), id!)).toEqual(expected);
      }
    });

    test("ids count up, also for a pointer that is there already", () => {
      const pointers: Pointer[] = [
        ["/a", Kind.Value],
        ["/a", Kind.Text],
        ["/b", Kind.Value],
        ["/a", Kind.Value],
      ];
      expect(scan.use(pointers)).toEqual([0, 1, 2, 3]);
      expect(scan.run("json", [bytesOf('{"a":"xy"}')])).toEqual([
        ["text", 1, 2],
        ["value", 0, '"', '"xy"', 5, 9],
        ["value", 3, '"', '"xy"', 5, 9],
        ["document", true],
      ]);
    });

    test.each(refused)("refused: %s", (_, pointer) => {
      const set: Pointer[] = [
        [pointer, Kind.Value],
        ["/x", Kind.Value],
      ];
      expect(scan.use(set)).toEqual([-1, 0]);
      expect(values(scan.run("json", [bytesOf('{"x":1}')]), 0)).toEqual(["1"]);
    });

    test("a pointer that fills the set (2^13 ways through keys and indexes) is refused", () => {
      const set: Pointer[] = [
        ["/a", Kind.Value],
        ["/0".repeat(13), Kind.Value],
        ["/a", Kind.Value],
      ];
      expect(scan.use(set)).toEqual([0, -1, 1]);
      const calls = scan.run("json", [bytesOf(`{"a":${"[".repeat(12)}1${"]".repeat(12)}}`)]);
      expect(calls.length).toBe(3);
    });

    const mixed: [order: string, pointers: string[]][] = [
      ["* first", ["/c/*/t", "/c/0/t", "/c/0/u", "/c/*/u"]],
      ["0 first", ["/c/0/t", "/c/0/u", "/c/*/t", "/c/*/u"]],
    ];
    test.each(mixed)("* and 0 side by side, %s", (_, pointers) => {
      const ids = scan.use(pointers.map((pointer): Pointer => [pointer, Kind.Value]));
      const calls = scan.run("json", [bytesOf('{"c":[{"t":1,"u":2},{"t":3,"u":4}]}')]);
      const found = pointers.map((pointer, i) => [pointer, values(calls, ids[i]!)]);
      expect(Object.fromEntries(found)).toEqual({
        "/c/*/t": ["1", "3"],
        "/c/0/t": ["1"],
        "/c/*/u": ["2", "4"],
        "/c/0/u": ["2"],
      });
    });

    test("a long pointer ends at the deepest place", () => {
      const [id] = scan.use([["/a".repeat(16), Kind.Value]]);
      const document = `${'{"a":'.repeat(17)}1${"}".repeat(17)}`;
      expect(values(scan.run("json", [bytesOf(document)]), id!)).toEqual(['{"a":1}']);
      expect(values(scan.run("json", [bytesOf(`[${document}]`)]), id!)).toEqual(['{"a":1}']);
    });
  });
}
