import { describe, expect, test } from "vitest";
import { damaged, frame, header, preludeOf, rawHeader } from "./frames.ts";
import { type Call, Kind, pieces, type ScanModule } from "./scan-module.ts";

const type = header(":event-type", "chunk");
const usage = frame('{"usage":3}', type);
const payloadAt = 12 + type.length;

/** All types of header values but strings. */
const otherHeaders = [
  rawHeader("true", 0, Buffer.alloc(0)),
  rawHeader("false", 1, Buffer.alloc(0)),
  rawHeader("byte", 2, Buffer.alloc(1)),
  rawHeader("short", 3, Buffer.alloc(2)),
  rawHeader("int", 4, Buffer.alloc(4)),
  rawHeader("long", 5, Buffer.alloc(8)),
  rawHeader("bytes", 6, Buffer.from([0, 3, 1, 2, 3])),
  rawHeader("time", 8, Buffer.alloc(8)),
  rawHeader("uuid", 9, Buffer.alloc(16)),
  header("", ""),
];

const value: Call = ["value", 0, "0", "3", 9, 10];
const streams: [name: string, stream: Buffer, told: Call[]][] = [
  ["a message", usage, [value, ["document", true], ["frame", true]]],
  ["no payload", frame("", type), [["frame", true]]],
  ["nothing but checksums", frame(""), [["frame", true]]],
  [
    "an exception",
    frame('{"message":"slow down"}', header(":exception-type", "throttlingException")),
    [
      ["document", true],
      ["frame", true],
    ],
  ],
  [
    "an error after headers of all types",
    frame("", ...otherHeaders.slice(0, -1), header(":error-code", "500")),
    [["frame", true]],
  ],
  [
    "a header block that cannot be read: a name of no length",
    frame("", header("", ""), header(":error-code", "500")),
    [["frame", true]],
  ],
  [
    "a header block that cannot be read: an unknown type",
    frame("", rawHeader("x", 10, Buffer.alloc(0)), header(":error-code", "500")),
    [["frame", true]],
  ],
  [
    "a header that ends outside its block",
    frame("", rawHeader(":error-code", 7, Buffer.from([0xff, 0xff]))),
    [["frame", true]],
  ],
  [
    "a wrong message checksum, then a good message",
    Buffer.concat([damaged(usage, -1), frame("{}")]),
    [value, ["document", true], ["frame", false], ["document", true], ["frame", true]],
  ],
  [
    "a damaged payload",
    damaged(usage, payloadAt),
    [
      ["document", false],
      ["frame", false],
    ],
  ],
  ["a wrong prelude checksum", Buffer.concat([damaged(usage, 9), usage]), [["frame", false]]],
  ["a wrong length", Buffer.concat([damaged(usage, 3), usage]), [["frame", false]]],
  ["a total length under 16", Buffer.concat([preludeOf(15, 0), usage]), [["frame", false]]],
  ["headers longer than the message", preludeOf(20, 5), [["frame", false]]],
  ["a total length over 16 MiB", preludeOf((16 << 20) + 1, 0), [["frame", false]]],
  ["a huge length of headers", preludeOf(64, 0xffffffff), [["frame", false]]],
  ["cut off in the prelude", usage.subarray(0, 5), [["frame", false]]],
  ["cut off before the payload", usage.subarray(0, payloadAt), [["frame", false]]],
  [
    "cut off in the payload",
    usage.subarray(0, payloadAt + 9),
    [
      ["document", false],
      ["frame", false],
    ],
  ],
  [
    "cut off after the payload",
    usage.subarray(0, -1),
    [value, ["document", true], ["frame", false]],
  ],
  ["not an event stream", Buffer.from('{"usage":3}\n{"usage":4}'), [["frame", false]]],
  ["nothing", Buffer.alloc(0), []],
];

export function describeEventStream(scan: ScanModule): void {
  describe("event stream scanner", () => {
    test.each(streams)("%s", (_, stream, told) => {
      scan.use([["/usage", Kind.Value]]);
      for (const size of [1, 3, 1000]) {
        expect(scan.run("frames", pieces(stream, size))).toEqual(told);
      }
    });

    test("a total length of 16 MiB is still a message", () => {
      scan.use([]);
      expect(scan.run("frames", [preludeOf(16 << 20, 0)], false)).toEqual([]);
    });
  });
}
