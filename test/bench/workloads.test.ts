import { describe, expect, test } from "vitest";
import { CHAT_PATH, requestBytes, streamResponse, WORKLOADS } from "./workloads.ts";

describe("workloads", () => {
  test("bodies are JSON of the size that their name says", () => {
    const sizes = WORKLOADS.map(({ name, requestBody, isStream }) => {
      const { stream = false } = JSON.parse(requestBody.toString()) as { stream?: boolean };
      expect(stream).toBe(isStream);
      return [name, requestBody.length];
    });
    expect(sizes).toEqual([
      ["json-1k", 1024],
      ["json-4k", 4096],
      ["json-64k", 65536],
      ["sse-52", 1024],
    ]);
  });

  test("a stream has 52 events, each in a chunk of its own", () => {
    const text = Buffer.concat(streamResponse()).toString();
    expect(text.match(/^data: /gm)).toHaveLength(52);
    expect(text.match(/^[0-9a-f]+\r\ndata: /gm)).toHaveLength(52);
    expect(text.endsWith("\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")).toBe(true);
  });

  test("a request says how long its body is", () => {
    const text = requestBytes(CHAT_PATH, { "x-user": "ann" }, Buffer.from("{}")).toString();
    expect(text).toBe(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: llm.bench\r\n" +
        "content-type: application/json\r\nx-user: ann\r\ncontent-length: 2\r\n\r\n{}",
    );
  });
});
