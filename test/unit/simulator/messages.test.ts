/** Anthropic's messages API. */
import { describe, expect, test } from "vitest";
import { eventData } from "../../e2e/client.ts";
import { MESSAGE, TEXT, useSimulator } from "./running-simulator.ts";

const { bill, post } = useSimulator();

describe("Anthropic messages", () => {
  const usage = {
    input_tokens: 6,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: 20,
    service_tier: "standard",
  };

  test("JSON", async () => {
    const reply = await post("/anthropic/v1/messages", MESSAGE);
    expect(JSON.parse(reply.text)).toEqual({
      id: "msg_fixed",
      type: "message",
      role: "assistant",
      model: "claude-sonnet-4-5",
      content: [{ type: "text", text: TEXT }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage,
    });
    expect(bill().byModel).toEqual({
      "claude-sonnet-4-5": { requests: 1, inputTokens: 6, outputTokens: 20, aborted: 0 },
    });
  });

  test("stream, exact bytes", async () => {
    const reply = await post("/v1/messages", { ...MESSAGE, stream: true, max_tokens: 2 });
    const start = JSON.stringify({ ...usage, output_tokens: 1 });
    expect(reply.text).toBe(
      'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_fixed",' +
        '"type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],' +
        `"stop_reason":null,"stop_sequence":null,"usage":${start}}}\n\n` +
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,' +
        '"content_block":{"type":"text","text":""}}\n\n' +
        'event: ping\ndata: {"type": "ping"}\n\n' +
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,' +
        '"delta":{"type":"text_delta","text":"Tokens"}}\n\n' +
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,' +
        '"delta":{"type":"text_delta","text":" are"}}\n\n' +
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n' +
        'event: message_delta\ndata: {"type":"message_delta","delta":' +
        '{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"output_tokens":2}}\n\n' +
        'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    );
  });

  test("cache, thinking and a stop sequence", async () => {
    const body = { ...MESSAGE, stop_sequences: [" they"], stream: true };
    const reply = await post("/v1/messages", body, {
      "x-sim-cached-tokens": "4",
      "x-sim-reasoning-tokens": "2",
    });
    const events = eventData(reply.text) as { type: string; message?: { usage: unknown } }[];
    expect(events[0]?.message?.usage).toEqual({
      ...usage,
      input_tokens: 2,
      cache_read_input_tokens: 4,
      output_tokens: 1,
    });
    expect(events.at(-2)).toEqual({
      type: "message_delta",
      delta: { stop_reason: "stop_sequence", stop_sequence: " they" },
      usage: { output_tokens: 6 },
    });
    expect(events.map((event) => event.type).filter((type) => type.endsWith("start"))).toEqual([
      "message_start",
      "content_block_start",
      "content_block_start",
    ]);
    expect(bill()).toMatchObject({ inputTokens: 6, outputTokens: 6 });
  });

  test("counting tokens bills nothing", async () => {
    const reply = await post("/v1/messages/count_tokens", MESSAGE);
    expect(reply.text).toBe('{"input_tokens":6}');
    expect(bill()).toMatchObject({ inputTokens: 0, outputTokens: 0 });
  });
});
