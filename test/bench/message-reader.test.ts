import { describe, expect, test } from "vitest";
import { MessageReader } from "./message-reader.ts";
import { jsonResponse, streamResponse } from "./workloads.ts";

const events = streamResponse();
const messages: [name: string, bytes: Buffer][] = [
  ["with a length", jsonResponse()],
  ["in chunks", Buffer.concat([...events.slice(0, 2), ...events.slice(-1)])],
  [
    "in no chunk at all",
    Buffer.from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
  ],
  ["without a body", Buffer.from("HTTP/1.1 200 OK\r\nx: y\r\n\r\n")],
];

describe("the end of a message", () => {
  for (const [name, bytes] of messages) {
    test(`${name}: cut in two at every byte, twice on one connection`, () => {
      for (let at = 1; at < bytes.length; at++) {
        const reader = new MessageReader();
        for (let time = 0; time < 2; time++) {
          expect(reader.push(bytes.subarray(0, at))).toBe(false);
          expect(reader.push(bytes.subarray(at))).toBe(true);
        }
        expect(reader.status).toBe(200);
      }
    });

    test(`${name}: byte by byte`, () => {
      const reader = new MessageReader();
      const ends = [...bytes].map((byte) => reader.push(Buffer.from([byte])));
      expect(ends.lastIndexOf(false)).toBe(bytes.length - 2);
      expect(ends.indexOf(true)).toBe(bytes.length - 1);
    });
  }

  test("bytes behind the end are not another answer", () => {
    const reader = new MessageReader();
    const message = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc";
    expect(() => reader.push(Buffer.from(message))).toThrow("bytes came behind the end");
  });

  test("the status is that of the response", () => {
    const reader = new MessageReader();
    expect(reader.push(Buffer.from("HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n"))).toBe(
      true,
    );
    expect(reader.status).toBe(429);
  });
});
