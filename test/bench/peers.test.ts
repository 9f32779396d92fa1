import { describe, expect, test } from "vitest";
import { type PeerAnnouncement, readLine } from "./peers.ts";

const nothing = (): PeerAnnouncement => ({ url: null, headers: {} });

describe("what a peer prints", () => {
  test("its URL and the headers that it wants", () => {
    const announced = nothing();
    for (const line of [
      "starting",
      "header authorization: Bearer sk-1",
      "url http://127.0.0.1:4000/llm",
    ]) {
      readLine(line, announced);
    }
    expect(announced.url?.href).toBe("http://127.0.0.1:4000/llm");
    expect(announced.headers).toEqual({ authorization: "Bearer sk-1" });
  });

  test.each(["url 4000", "url https://127.0.0.1:4000", "url http://example.org"])(
    "%s: not a plain server on this machine",
    (line) => {
      expect(() => readLine(line, nothing())).toThrow('expected "url http://127.0.0.1:port');
    },
  );

  test("a header without a name", () => {
    expect(() => readLine("header : x", nothing())).toThrow('expected "header name: value"');
  });
});
