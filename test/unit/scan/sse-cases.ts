import { describe, expect, test } from "vitest";
import { bytesOf, type Call, cut, Kind, type ScanModule, settled } from "./scan-module.ts";

const document: Call = ["document", true];
const broken: Call = ["document", false];
const event = (end: number, hadData = true): Call => ["event", end, hadData];
/** The captured value of `{"a":1}` when its first byte is byte `at` of all data. */
const one = (at = 0): Call => ["value", 0, "0", "1", at + 5, at + 6];

const streams: [stream: string | Buffer, told: Call[]][] = [
  ["", []],
  ["\n\r\n\r", []],
  ["\ufeff\n\n", []],
  ['data: {"a":1}\n\n', [one(), document, event(15)]],
  ['\ufeffdata: {"a":1}\n\n', [one(), document, event(18)]],
  ['data:{"a":1}\r\n\r\n', [one(), document, event(16)]],
  ['data:{"a":1}\r\r', [one(), document, event(14)]],
  ['data:{"a":1}\n\r\n', [one(), document, event(15)]],
  ['data:{"a":1}\r\n\n', [one(), document, event(15)]],
  ['data:{"a":1}\r\n\r', [one(), document, event(15)]],
  ['data:{"a":1}\r\r\n', [one(), document, event(15)]],
  ['data:  {"a":1}\n\n', [one(1), document, event(16)]],
  ['event: x\nid: 1\nretry: 2\ndata: {"a":1}\n\n', [one(), document, event(39)]],
  ['data: {"a":1}\nid\n\n', [one(), document, event(18)]],
  [": comment\n\n", [event(11, false)]],
  [":\n\n:\n\n", [event(3, false), event(6, false)]],
  ["event: ping\n\n", [event(13, false)]],
  ["\n\n: a\n\n\n\n", [event(7, false)]],
  ["data\n\n", [event(6)]],
  ["data:\n\n", [event(7)]],
  ["data: \n\n", [event(8)]],
  ["data\ndata\n\n", [event(11)]],
  ['datax: {"a":1}\n\n', [event(16, false)]],
  ['dat: {"a":1}\n\n', [event(14, false)]],
  ['Data: {"a":1}\n\n', [event(15, false)]],
  [' data: {"a":1}\n\n', [event(16, false)]],
  ['data : {"a":1}\n\n', [event(16, false)]],
  ['\ufeff\ufeffdata: {"a":1}\n\n', [one(), document, event(21)]],
  [Buffer.from("\xef\n\n", "latin1"), []],
  [Buffer.from('\xbb\xbfdata: {"a":1}\n\n', "latin1"), [one(), document, event(17)]],
  ['data: {"a":1}\n\n\ufeffdata: {"a":1}\n\n', [one(), document, event(15), event(33, false)]],
  ['data: {"a":\ndata: 1}\n\n', [["value", 0, "0", "1", 6, 7], document, event(22)]],
  ['data\ndata:{"a":1}\n\n', [one(1), document, event(19)]],
  ['data: {"a":1}\n: x\ndata: {"a":1}\n\n', [one(), document, one(8), document, event(33)]],
  ["data: {\n\ndata: }\n\n", [broken, event(9), broken, event(18)]],
  ["data: x\n\n", [broken, event(9)]],
  ["data: 12\n\n", [document, event(10)]],
  ["data: [DONE]\n\n", [["done"], event(14)]],
  ["data:[DONE]\r\n\r\n", [["done"], event(15)]],
  ["data: [DONE]", [["done"]]],
  ["data: [DONE]\n", [["done"]]],
  ["data: [DONE] \n\n", [broken, event(15)]],
  ["data: [DONE\n\n", [broken, event(13)]],
  ["data: [DONE\ndata: ]\n\n", [broken, event(21)]],
  ["data: [DONE]\ndata\n\n", [broken, event(19)]],
  ["data\ndata: [DONE]\n\n", [broken, event(19)]],
  ['data: [{"a":1},{"a":1}]\n\n', [one(1), document, one(9), document, event(25)]],
  ["data: [\n\n", [broken, event(9)]],
  ['data: {"a":1}\n', [one(), document]],
  ['data: {"a":1}', [one(), document]],
  ['data: {"a":1},', [one(), document, broken]],
  ['data: {"a":1', [broken]],
  ["data: 1", [document]],
  [": only a comment", []],
];

export function describeSse(scan: ScanModule): void {
  describe("SSE scanner", () => {
    test.each(streams)("%j", (stream, told) => {
      scan.use([["/a", Kind.Value]]);
      const bytes = bytesOf(stream);
      for (let at = 0; at <= bytes.length; at++) {
        expect(settled(scan.run("sse", cut(bytes, at)))).toEqual(told);
      }
    });

    test("the CR that ends a chunk ends the event; its LF is told with the next chunk", () => {
      scan.use([]);
      const told = scan.run("sse", [bytesOf(": a\r\n\r"), bytesOf("\n: b\n\n")]);
      expect(told).toEqual([event(6, false), ["trailingLf"], event(12, false)]);
    });

    test("the LF of a line that ended no event is not told", () => {
      scan.use([]);
      const told = scan.run("sse", [
        bytesOf(": a\r"),
        bytesOf("\n\r"),
        bytesOf("\r"),
        bytesOf("\n"),
      ]);
      expect(told).toEqual([event(6, false)]);
    });

    test("an LF after an empty chunk still belongs to the CR before", () => {
      scan.use([]);
      const told = scan.run("sse", [bytesOf(": a\r\r"), new Uint8Array(0), bytesOf("\n")]);
      expect(told).toEqual([event(5, false), ["trailingLf"]]);
    });

    test("after the end a new stream begins", () => {
      scan.use([["/a", Kind.Value]]);
      scan.run("sse", [bytesOf('data: {"a":1}\r')]);
      scan.calls = [];
      scan.call("ssePush", scan.write(bytesOf('\ufeffdata: {"a":1}\n\n')), 18);
      expect(scan.calls.map(([name]) => name)).toEqual(["value", "document", "event"]);
    });
  });
}
