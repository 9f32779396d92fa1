import { describe, expect, test } from "vitest";
import {
  bytesOf,
  type Call,
  cut,
  Kind,
  type Pointer,
  pieces,
  type ScanModule,
  settled,
} from "./scan-module.ts";

const LIMIT_BYTES = 16_384;

const nested: Pointer[] = [
  ["", Kind.Value],
  ["/u", Kind.Value],
  ["/u/p", Kind.Value],
  ["/u/d/*", Kind.Value],
];

function describeCaptures(scan: ScanModule): void {
  test("captures within each other, cut anywhere", () => {
    scan.use(nested);
    const document = bytesOf('{"u": {"p":11,"d":[{"x":1},"y"]} , "z":"é"}');
    const whole: Call[] = [
      ["value", 1, "0", "11", 11, 13],
      ["value", 3, "{", '{"x":1}', 19, 26],
      ["value", 3, '"', '"y"', 27, 30],
      ["value", 0, "{", '{"p":11,"d":[{"x":1},"y"]}', 6, 32],
    ];
    const ids = [2, 3, 3, 1];
    const expected = whole.map((call, i): Call => [call[0], ids[i]!, ...call.slice(2)]);
    const outer = Buffer.from(document).toString("latin1");
    for (let a = 0; a <= document.length; a++) {
      for (let b = a; b <= document.length; b += 7) {
        const chunks = [document.subarray(0, a), document.subarray(a, b), document.subarray(b)];
        expect(scan.run("json", chunks)).toEqual([
          ...expected,
          ["value", 0, "{", outer, 0, document.length],
          ["document", true],
        ]);
      }
    }
  });

  test("an open value is not told when the document fails", () => {
    scan.use([["/a", Kind.Value]]);
    expect(scan.run("json", [bytesOf('{"a":{"b":1'), bytesOf("]}")])).toEqual([
      ["document", false],
    ]);
    expect(scan.run("json", [bytesOf('{"a":{"b":1')])).toEqual([["document", false]]);
  });

  test("what came before a failure was told", () => {
    scan.use([["/a", Kind.Value]]);
    const told = scan.run("json", [bytesOf('{"a":1,"b":x,"a":2}')]);
    expect(told).toEqual([
      ["value", 0, "0", "1", 5, 6],
      ["document", false],
    ]);
  });

  test("a top-level number is complete at the end of the input", () => {
    scan.use([["", Kind.Value]]);
    expect(scan.run("json", [bytesOf("1"), bytesOf("2")])).toEqual([
      ["value", 0, "0", "12", 0, 2],
      ["document", true],
    ]);
  });
}

function describeLimits(scan: ScanModule): void {
  test.each([64, 1000, 16_000, 40_000])("the limit of a capture, in chunks of %d", (size) => {
    scan.use([["/a", Kind.Value]]);
    const fits = `"${"x".repeat(LIMIT_BYTES - 2)}"`;
    const over = `"${"x".repeat(LIMIT_BYTES - 1)}"`;
    const run = (value: string) => scan.run("json", pieces(bytesOf(`{"a":${value}}`), size));
    expect(run(fits)[0]).toEqual(["value", 0, '"', fits, 5, 5 + LIMIT_BYTES]);
    expect(run(over)[0]).toEqual(["oversize", 0, 5, 6 + LIMIT_BYTES]);
  });

  test.each([100, 4096, 100_000])("values within ones that are too long, by %d", (size) => {
    scan.use(nested);
    const long = `"${"x".repeat(20_000)}"`;
    const inner = `{"y":"${"z".repeat(9_000)}"}`;
    const text = `{"u":{"a":${long},"p":1,"d":[${long},${inner},2]}}`;
    const start = text.indexOf("[") + 1;
    const at = start + long.length + 1;
    expect(scan.run("json", pieces(bytesOf(text), size))).toEqual([
      ["value", 2, "0", "1", 20_017, 20_018],
      ["oversize", 3, start, start + long.length],
      ["value", 3, "{", inner, at, at + inner.length],
      ["value", 3, "0", "2", text.length - 4, text.length - 3],
      ["oversize", 1, 5, text.length - 1],
      ["oversize", 0, 0, text.length],
      ["document", true],
    ]);
  });

  test("a value that goes on when the one around it becomes too long", () => {
    scan.use(nested);
    const inner = `"${"0123456789".repeat(900)}"`;
    const text = `{"u":{"a":"${"x".repeat(10_000)}","d":[${inner}]}}`;
    const at = text.indexOf(inner);
    const told = scan.run("json", pieces(bytesOf(text), 100));
    expect(told[0]).toEqual(["value", 3, '"', inner, at, at + inner.length]);
  });
}

function describeBase64(scan: ScanModule): void {
  const pointers: Pointer[] = [
    ["/bytes", Kind.Base64],
    ["/usage", Kind.Value],
    ["/text", Kind.Text],
    ["/usage", Kind.Probe],
  ];
  const inner = '{"text":"é\\n","usage":{"n":3},"bytes":"e30="}';
  const innerCalls: Call[] = [
    ["probe", 3, "{", false, -1],
    ["value", 1, "{", '{"n":3}', -1, -1],
    ["document", true],
  ];
  const encodings: [name: string, encoded: string][] = [
    ["standard", Buffer.from(inner).toString("base64")],
    ["URL-safe without padding", Buffer.from(inner).toString("base64url")],
    ["with escapes", Buffer.from(inner).toString("base64").replace("e", "\\u0065")],
    [
      "with lines",
      Buffer.from(inner)
        .toString("base64")
        .replace(/(.{20})/g, "$1\\r\\n"),
    ],
  ];
  test.each(encodings)("base64, %s", (_, encoded) => {
    scan.use(pointers);
    const document = bytesOf(`{"bytes":"${encoded}","usage":4}`);
    const at = document.length - 2;
    for (let i = 0; i <= document.length; i++) {
      expect(settled(scan.run("json", cut(document, i)))).toEqual([
        ...innerCalls,
        ["probe", 3, "0", false, at],
        ["value", 1, "0", "4", at, at + 1],
        ["document", true],
        ["text", 2, 3],
      ]);
    }
  });

  const broken: [name: string, encoded: string, documents: boolean[]][] = [
    ["empty", "", [true]],
    ["a character that is not base64", "eyJh!", [false, true]],
    ["more after the padding", "e30=g", [true, false, true]],
    ["not JSON", "YWJj", [false, true]],
    ["cut off", Buffer.from('{"usage":{').toString("base64"), [false, true]],
  ];
  test.each(broken)("base64, %s", (_, encoded, expected) => {
    scan.use([
      ["/bytes", Kind.Base64],
      ["/usage", Kind.Value],
    ]);
    const told = scan.run("json", [bytesOf(`{"bytes":"${encoded}"}`)]);
    expect(told).toEqual(expected.map((ok) => ["document", ok]));
  });

  test("a base64 string that is cut off ends its document too", () => {
    scan.use(pointers);
    const encoded = Buffer.from(inner).toString("base64").slice(0, 36);
    expect(settled(scan.run("json", [bytesOf(`{"bytes":"${encoded}`)]))).toEqual([
      ["probe", 3, "{", false, -1],
      ["document", false],
      ["document", false],
      ["text", 2, 3],
    ]);
  });
}

function describeSizes(scan: ScanModule): void {
  test("a string of 1 MiB", () => {
    scan.use([
      ["/t", Kind.Text],
      ["/v", Kind.Value],
    ]);
    const text = "x".repeat(1 << 20);
    expect(scan.run("json", [bytesOf(`{"t":"${text}","v":"${text}"}`)])).toEqual([
      ["text", 0, 1 << 20],
      ["oversize", 1, 1_048_588, 2_097_166],
      ["document", true],
    ]);
  });

  test("nothing after a chunk is read, where memory ends with it", () => {
    scan.use([["/t", Kind.Text]]);
    const document = bytesOf(`{"t":"${"x".repeat(50)}`);
    for (let length = 1; length <= document.length; length++) {
      const at = scan.writeAtEnd(document.subarray(0, length));
      for (const scanner of ["json", "sse", "frames"]) {
        scan.call(`${scanner}Reset`);
        scan.call(`${scanner}Push`, at, length);
      }
    }
    scan.calls = [];
    scan.call("jsonReset");
    scan.call("jsonPush", scan.writeAtEnd(document), document.length);
    expect(scan.calls).toEqual([["text", 0, 50]]);
  });

  test.each(["[", '{"a":'])("100,000 × %s", (open) => {
    scan.use([["/a/a", Kind.Value]]);
    expect(scan.run("json", [bytesOf(open.repeat(100_000))])).toEqual([["document", false]]);
    expect(scan.call("jsonTooDeep")).toBe(1);
    scan.call("jsonReset");
    expect(scan.call("jsonTooDeep")).toBe(0);
  });

  test("scanners let go in the middle of a value leave no memory behind", () => {
    const begin = bytesOf(`{"a":"${"x".repeat(16_000)}`);
    const abandon = () => {
      scan.use([["/a", Kind.Value]]);
      scan.call("jsonPush", scan.write(begin), begin.length);
    };
    for (let i = 0; i < 50; i++) abandon();
    const before = scan.memoryBytes();
    for (let i = 0; i < 2_000; i++) abandon();
    expect(scan.memoryBytes()).toBe(before);
  });
}

export function describeValues(scan: ScanModule): void {
  describe("captured values", () => {
    describeCaptures(scan);
    describeLimits(scan);
    describeBase64(scan);
    describeSizes(scan);
  });
}
