import { describe, expect, test } from "vitest";
import { bytesOf, type ScanModule } from "./scan-module.ts";

/** What was written; throws where it is not UTF-8. */
function text(scan: ScanModule): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(scan.written());
}

const strings = [
  "",
  "plain",
  'quote " backslash \\ slash /',
  "\0\u0001\b\t\n\f\r\u001f\u007f",
  "é中😀\ud7ff\ue000\uffff",
  "x".repeat(1000),
];

const units: [name: string, units: string, written: string][] = [
  ["a high surrogate at the end", "a\ud83d", "a\ufffd"],
  ["a low surrogate", "\ude00a", "\ufffda"],
  ["two high ones and a low one", "\ud83d\ud83d\ude00", "\ufffd😀"],
];

const bytes: [name: string, bytes: number[], written: string][] = [
  ["a stray continuation", [0x61, 0x80, 0x62], "a\ufffdb"],
  ["an overlong form", [0xc0, 0xaf], "\ufffd\ufffd"],
  ["an overlong form of three", [0xe0, 0x80, 0xaf], "\ufffd\ufffd\ufffd"],
  ["a surrogate", [0xed, 0xa0, 0x80], "\ufffd\ufffd\ufffd"],
  ["over U+10FFFF", [0xf4, 0x90, 0x80, 0x80], "\ufffd\ufffd\ufffd\ufffd"],
  ["cut off at the end", [0x61, 0xe4, 0xb8], "a\ufffd\ufffd"],
  ["cut off by another character", [0xf0, 0x9f, 0x98, 0x22], '\ufffd\ufffd\ufffd"'],
  ["the last of each length", [0x7f, 0xdf, 0xbf, 0xef, 0xbf, 0xbd], "\u007f\u07ff\ufffd"],
];

const values: [captured: string, written: string][] = [
  ['{"a":[1,"b\\n\\u00e9\\"",null]}', '{"a":[1,"b\\n\\u00e9\\"",null]}'],
  ["12", "12"],
  ['"\x00\n"', '"\\u0000\\u000a"'],
  ['"a\\qb"', '"aqb"'],
  ['"a\\\nb"', '"a\\u000ab"'],
  ['"a\\u12xb"', '"axb"'],
  ['"a\\u"', '"a"'],
  ['"a\\u123"', '"a"'],
  ['"\xff\\\xff"', '"\ufffd\ufffd"'],
  ['{"k\x01":"\xc3\xa9"}', '{"k\\u0001":"é"}'],
  ['"\\\\"', '"\\\\"'],
];

export function describeWriter(scan: ScanModule): void {
  describe("ByteWriter", () => {
    const write = (name: string, data: Uint8Array, length = data.length) => {
      scan.call("writeReset");
      scan.call(name, scan.write(data), length);
      return text(scan);
    };

    test.each(strings)("jsonString and jsonStringBytes: %j", (string) => {
      const utf16 = Buffer.from(string, "utf16le");
      expect(JSON.parse(write("writeString", utf16, string.length))).toBe(string);
      expect(JSON.parse(write("writeStringBytes", bytesOf(string)))).toBe(string);
    });

    test.each(units)("jsonString: %s", (_, string, written) => {
      const utf16 = Buffer.from(string, "utf16le");
      expect(write("writeString", utf16, string.length)).toBe(`"${written}"`);
    });

    test.each(bytes)("jsonStringBytes: %s", (_, data, written) => {
      expect(JSON.parse(write("writeStringBytes", Uint8Array.from(data)))).toBe(written);
    });

    test.each(values)("jsonValue: %j", (captured, written) => {
      expect(write("writeValue", Buffer.from(captured, "latin1"))).toBe(written);
    });

    test.each([0n, 7n, -7n, 10n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)])("int: %s", (value) => {
      scan.call("writeReset");
      scan.call("writeInt", value);
      expect(text(scan)).toBe(String(value));
    });

    test("what is written follows what was written before", () => {
      scan.call("writeReset");
      scan.call("writeInt", 12n);
      scan.call("writeRaw", scan.write(bytesOf("ab")), 2);
      expect(text(scan)).toBe("12ab");
    });

    test("the buffer is kept between uses, up to 64 KiB", () => {
      const half = new Uint8Array(32_000).fill(0x61);
      write("writeRaw", half);
      const kept = scan.call("writtenPtr");
      expect(write("writeRaw", half).length).toBe(32_000);
      expect(scan.call("writtenPtr")).toBe(kept);
      write("writeRaw", new Uint8Array(70_000));
      scan.call("writeReset");
      expect(scan.call("writtenPtr")).toBe(0);
    });
  });
}
