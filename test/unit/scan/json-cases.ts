import { describe, expect, test } from "vitest";
import { bytesOf, type Call, cut, Kind, type ScanModule, settled } from "./scan-module.ts";

const valid: string[] = [
  "0 ",
  "-0 ",
  "12.5e+3 ",
  "1E9 ",
  "-1.0e-7 ",
  "true",
  "false",
  "null",
  '""',
  "{}",
  '{"a":[1,2,{"b":null}],"c":""}',
  ' \t\r\n{ "a" : [ ] , "b" : { } } ',
  '{"raw\tcontrol":"a\nb"}',
  '{"unknown":"\\q","cut":"\\u12"}',
  `{"a":${"[".repeat(127)}${"]".repeat(127)}}`,
];

const malformed: string[] = [
  "{",
  "}",
  "]",
  "{]",
  '{"a"}',
  '{"a":}',
  '{"a":1,}',
  '{"a":1 "b":2}',
  '{"a" 1}',
  "{,}",
  "{1:2}",
  '{"a":1]',
  '{"a":[1}',
  '{"a":[1,]}',
  '{"a":[,1]}',
  '{"a":[1 2]}',
  '{"a":01}',
  '{"a":-}',
  '{"a":--1}',
  '{"a":+1}',
  '{"a":1.}',
  '{"a":.5}',
  '{"a":1e}',
  '{"a":1e+}',
  '{"a":1.2.3}',
  '{"a":tru}',
  '{"a":nulL}',
  '{"a":NaN}',
  '{"a":"b}',
  '{"a":"b\\"}',
  '{"a":"\\',
  "-",
  "1.",
  "tru",
  "x",
  "\u00a0{}",
  '{"a":\ufeff1}',
  `{"a":${"[".repeat(128)}${"]".repeat(128)}}`,
  "[{}",
  "[{},",
  "[,{}]",
  "[",
];

/** Text between quotes, and how many bytes it is as UTF-8. */
const texts: [raw: string, bytes: number][] = [
  ["", 0],
  ["abc", 3],
  ["é中😀", 9],
  ['\\n\\t\\"\\\\\\/\\b\\f\\r', 8],
  ["\\u0041", 1],
  ["\\u00e9", 2],
  ["\\u4e2d", 3],
  ["\\ud83d\\ude00", 4],
  ["\\ud83d", 3],
  ["\\ude00", 3],
  ["\\ud83d\\ud83d\\ude00", 7],
  ["\\ud83dx\\ude00", 7],
  ["\\ud83d\\n\\ude00", 7],
  ["\\ud83d\\u0041", 4],
  ["a".repeat(40), 40],
  [`${"a".repeat(15)}\\n${"b".repeat(17)}\\u00e9`, 35],
  ["\\q", 1],
  ["\\u12x", 1],
];

const documents = (calls: readonly Call[]) => calls.filter(([name]) => name === "document");

function describeGrammar(scan: ScanModule): void {
  test.each(valid)("valid: %j", (text) => {
    scan.use([]);
    expect(scan.run("json", [bytesOf(text)])).toEqual([["document", true]]);
  });

  test.each(malformed)("malformed, told once: %j", (text) => {
    scan.use([["/none", Kind.Value]]);
    const bytes = bytesOf(text);
    for (let at = 0; at <= bytes.length; at++) {
      const told = documents(scan.run("json", cut(bytes, at)));
      expect(told.filter(([, ok]) => ok === false)).toEqual([["document", false]]);
    }
  });

  const streams: [name: string, text: string, documents: boolean[]][] = [
    ["nothing", "", []],
    ["white space", " \n ", []],
    ["lines", '{"a":1}\n{"a":2}\r\n{"a":3}', [true, true, true]],
    ["no white space between", '{"a":1}{"a":2}', [true, true]],
    ["a number at the end", "1 2", [true, true]],
    ["a good line, then a bad one", '{"a":1}\n{"a":}\n{"a":3}', [true, false]],
    ["an array of objects", '[{"a":1}, {"a":2}]', [true, true]],
    ["other items", '[1,"a",[{"a":1}],null,{"a":2}]', [true]],
    ["an empty array", "[]", []],
    ["an array, then a line", '[{"a":1}]\n{"a":2}', [true, true]],
    ["an array that is cut off", '[{"a":1},{"a"', [true, false]],
    ["a byte order mark", '\ufeff{"a":1}', [true]],
    ["two of them", '\ufeff\ufeff{"a":1}', [true]],
    ["a byte order mark and nothing else", "\ufeff", []],
    ["a byte order mark in the middle", '{"a":1}\ufeff{"a":2}', [true, false]],
  ];
  test.each(streams)("documents: %s", (_, text, expected) => {
    scan.use([]);
    const bytes = bytesOf(text);
    for (let at = 0; at <= bytes.length; at++) {
      const told = documents(scan.run("json", cut(bytes, at)));
      expect(told.map(([, ok]) => ok)).toEqual(expected);
    }
  });

  test("after the end, and after reset(), a new stream begins", () => {
    scan.use([["/a", Kind.Value]]);
    scan.run("json", [bytesOf('{"a":12}'), bytesOf('x{"a":1}')]);
    expect(scan.calls.at(-1)).toEqual(["document", false]);
    scan.calls = [];
    scan.call("jsonPush", scan.write(bytesOf('\ufeff{"a":3}')), 10);
    scan.call("jsonEnd");
    const offset = 16 + 3;
    const three: Call = ["value", 0, "0", "3", offset + 5, offset + 6];
    expect(scan.calls).toEqual([three, ["document", true]]);
    const again: Call = ["value", 0, "0", "4", 5, 6];
    expect(scan.run("json", [bytesOf('{"a":4}')])).toEqual([again, ["document", true]]);
  });
}

function describeText(scan: ScanModule): void {
  test.each(texts)("text bytes: %s", (raw, bytes) => {
    scan.use([["/t", Kind.Text]]);
    const document = bytesOf(`{"t":"${raw}"}`);
    const text: Call[] = bytes === 0 ? [] : [["text", 0, bytes]];
    for (let at = 0; at <= document.length; at++) {
      const told = settled(scan.run("json", cut(document, at)));
      expect(told).toEqual([["document", true], ...text]);
    }
  });

  test("invalid UTF-8 counts as it is", () => {
    scan.use([["/t", Kind.Text]]);
    const document = Buffer.from('{"t":"\xff\xc3\x80\xed\xa0\x80"}', "latin1");
    expect(scan.run("json", [document])).toEqual([
      ["text", 0, 6],
      ["document", true],
    ]);
  });

  test("a string that is cut off counts as far as it came", () => {
    scan.use([["/t", Kind.Text]]);
    const told = scan.run("json", [bytesOf('{"t":"ab\\n'), bytesOf("cd\\u00e")]);
    expect(told).toEqual([
      ["text", 0, 3],
      ["text", 0, 2],
      ["document", false],
    ]);
  });

  test("only strings have text", () => {
    scan.use([["/t", Kind.Text]]);
    const told = scan.run("json", [bytesOf('{"t":1}{"t":["a"]}{"t":{"t":"a"}}{"t":null}')]);
    expect(told).toEqual(Array(4).fill(["document", true]));
  });
}

function describeProbes(scan: ScanModule): void {
  const probes: [value: string, type: string, empty: boolean][] = [
    ["[]", "[", true],
    ["[ \n ]", "[", true],
    ["[0]", "[", false],
    ['[[],{"p":[]}]', "[", false],
    ["{}", "{", true],
    ['{"x":{}}', "{", false],
    ['""', '"', false],
    ["-5", "0", false],
    ["true", "t", false],
    ["null", "n", false],
  ];
  test.each(probes)("probe: %s", (value, type, empty) => {
    scan.use([["/p", Kind.Probe]]);
    const bytes = bytesOf(`{"p":${value}}`);
    for (let at = 0; at <= bytes.length; at++) {
      expect(scan.run("json", cut(bytes, at))).toEqual([
        ["probe", 0, type, empty, 5],
        ["document", true],
      ]);
    }
  });

  test("a probe is told as soon as it is known", () => {
    scan.use([["/p", Kind.Probe]]);
    expect(scan.run("json", [bytesOf('{"p":[ ')], false)).toEqual([]);
    expect(scan.run("json", [bytesOf('{"p":[ {')], false)).toEqual([["probe", 0, "[", false, 5]]);
    expect(scan.run("json", [bytesOf('{"p":"')], false)).toEqual([["probe", 0, '"', false, 5]]);
  });
}

export function describeJson(scan: ScanModule): void {
  describe("JSON scanner", () => {
    describeGrammar(scan);
    describeText(scan);
    describeProbes(scan);
  });
}
