/** The usage chunk that the filter asked for never reaches the client; all other bytes do. */
import { describe, expect, test } from "vitest";
import type { SettlementRecord } from "../../limitador-bridge/contract/filter.ts";
import type { Host, Stream } from "./host.ts";
import {
  admit,
  CHAT,
  request,
  respondJson,
  respondSse,
  settleOne,
  startTollgate,
} from "./tollgate.ts";

const chunk = (rest: string) => `{"id":"c1","object":"chat.completion.chunk","model":"m",${rest}}`;
const FIRST = chunk('"choices":[{"index":0,"delta":{"content":"H\u00e9"}}],"usage":null');
const EMPTY = chunk('"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}]');
const NO_CHOICES = chunk('"choices":[],"prompt_filter_results":[]');
const USAGE = chunk(
  '"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}',
);

interface Sse {
  /** What the upstream sends, event by event. */
  events: string[];
  /** Place of the usage chunk in `events`. */
  usageAt: number;
}

/** The same answer in the framings that servers use (WHATWG HTML, 9.2.5: CRLF, LF or CR). */
const FRAMINGS: Record<string, Sse> = {
  LF: lines("\n"),
  CRLF: lines("\r\n"),
  CR: lines("\r"),
  "no space after data": {
    events: [`data:${FIRST}\n\n`, `data:${EMPTY}\n\n`, `data:${USAGE}\n\n`, "data:[DONE]\n\n"],
    usageAt: 2,
  },
  "comments, ids and event names": {
    events: [
      ": hello\n\n",
      `id: 1\nevent: x\ndata: ${FIRST}\n\n`,
      `: ping\n\n`,
      `data: ${EMPTY}\n\n`,
      `id: 2\ndata: ${USAGE}\n\n`,
      "data: [DONE]\n\n",
    ],
    usageAt: 4,
  },
  "data over several lines": {
    events: [
      `data: ${FIRST}\n\n`,
      `data: ${EMPTY}\n\n`,
      `data: ${USAGE.slice(0, 25)}\ndata: ${USAGE.slice(25)}\n\n`,
      "data: [DONE]\n\n",
    ],
    usageAt: 2,
  },
  "a chunk with neither choices nor usage first (Azure)": {
    events: [
      `data: ${NO_CHOICES}\n\n`,
      `data: ${FIRST}\n\n`,
      `data: ${EMPTY}\n\n`,
      `data: ${USAGE}\n\n`,
      "data: [DONE]\n\n",
    ],
    usageAt: 3,
  },
  "a byte order mark": {
    events: [
      `\u{feff}data: ${FIRST}\n\n`,
      `data: ${EMPTY}\n\n`,
      `data: ${USAGE}\n\n`,
      "data: [DONE]\n\n",
    ],
    usageAt: 2,
  },
  "no end marker": {
    events: [`data: ${FIRST}\n\n`, `data: ${EMPTY}\n\n`, `data: ${USAGE}\n\n`],
    usageAt: 2,
  },
};

function lines(end: string): Sse {
  const events = [FIRST, EMPTY, USAGE, "[DONE]"].map((data) => `data: ${data}${end}${end}`);
  return { events, usageAt: 2 };
}

function expectedBytes({ events, usageAt }: Sse): string {
  return events.filter((_event, i) => i !== usageAt).join("");
}

/** Everything of a record that does not depend on when it was made. */
function comparable(record: SettlementRecord) {
  const { id, timeMs, durationMs, ...rest } = record;
  return rest;
}

function stream(host: Host, body: object = { ...CHAT, stream: true }): Stream {
  const opened = request(host, body);
  admit(host);
  return opened;
}

function answerIn(host: Host, pieces: readonly (string | Uint8Array)[]): string {
  const opened = stream(host);
  respondSse(opened, pieces);
  return opened.client.text;
}

describe.each(Object.entries(FRAMINGS))("%s", (_name, sse) => {
  const bytes = Buffer.from(sse.events.join(""));

  test("cut at every byte: same bytes to the client, same settlement", () => {
    const host = startTollgate();
    const whole = answerIn(host, [bytes]);
    expect(whole).toBe(expectedBytes(sse));
    const settlement = comparable(settleOne(host));
    expect(settlement).toMatchObject({
      framing: "sse",
      usage: [{ prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 }],
      usagePointers: ["/usage"],
      text: { "/choices/*/delta/content": 3 },
      responseBytes: bytes.length,
      outcome: "ok",
    });
    for (let at = 1; at < bytes.length; at++) {
      expect(answerIn(host, [bytes.subarray(0, at), bytes.subarray(at)])).toBe(whole);
      expect(comparable(settleOne(host))).toEqual(settlement);
    }
  });

  test("one byte at a time", () => {
    const host = startTollgate();
    const pieces = Array.from(bytes, (_byte, i) => bytes.subarray(i, i + 1));
    expect(answerIn(host, pieces)).toBe(expectedBytes(sse));
  });

  test("no complete event waits for a later one", () => {
    const host = startTollgate();
    const opened = stream(host);
    opened.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
    let expected = "";
    for (const [i, event] of sse.events.entries()) {
      opened.responseBody(event);
      if (i !== sse.usageAt) expected += event;
      expect(opened.client.text).toBe(expected);
    }
  });
});

describe("a stream that ends without the blank line after its usage chunk", () => {
  const before = `data: ${FIRST}\n\ndata: ${EMPTY}\n\n`;
  const usage = [{ prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 }];

  test.each(["", "\n", "\r\n", "\n:"])("but with %j", (rest) => {
    const bytes = Buffer.from(`${before}data: ${USAGE}${rest}`);
    const host = startTollgate();
    for (const at of [bytes.length, before.length, before.length + 3, bytes.length - 1]) {
      expect(answerIn(host, [bytes.subarray(0, at), bytes.subarray(at)])).toBe(before);
      expect(settleOne(host).usage).toEqual(usage);
    }
  });

  test("as one piece with the end", () => {
    const host = startTollgate();
    const opened = stream(host);
    opened.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
    opened.responseBody(`${before}data: ${USAGE}`, true);
    expect(opened.client.text).toBe(before);
    expect(settleOne(host).usage).toEqual(usage);
  });

  test("what is no whole chunk goes to the client as it came", () => {
    const cut = `${before}data: {"choices":[],"usage":{"prompt_tokens":5},"x":{"y`;
    expect(answerIn(startTollgate(), [cut])).toBe(cut);
  });

  test("what the client asked for itself is its own", () => {
    const host = startTollgate();
    const opened = stream(host, { ...CHAT, stream: true, stream_options: { include_usage: true } });
    respondSse(opened, [`${before}data: ${USAGE}`]);
    expect(opened.client.text).toBe(`${before}data: ${USAGE}`);
  });
});

describe("nothing is taken out", () => {
  const body = FRAMINGS["LF"]?.events.join("") ?? "";

  test.each([
    ["when the client asked for usage itself", { stream_options: { include_usage: true } }],
    [
      "when the client asked with other options beside",
      { stream_options: { include_obfuscation: false, include_usage: true } },
    ],
  ])("%s", (_name, extra) => {
    const host = startTollgate();
    const sent = { ...CHAT, stream: true, ...extra };
    const opened = stream(host, sent);
    expect(opened.upstream.text).toBe(JSON.stringify(sent));
    respondSse(opened, [body]);
    expect(opened.client.text).toBe(body);
    expect(settleOne(host).usage).toEqual([
      { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
    ]);
  });

  test("of a chunk that has both choices and usage", () => {
    const data = chunk('"choices":[{"index":0,"delta":{}}],"usage":{"total_tokens":3}');
    const both = `data: ${data}\n\n`;
    const host = startTollgate();
    expect(answerIn(host, [both])).toBe(both);
    expect(settleOne(host).usage).toEqual([{ total_tokens: 3 }]);
  });

  test("of an answer that is JSON after all", () => {
    const host = startTollgate();
    const opened = stream(host);
    respondJson(opened, { error: { message: "no" } }, 400);
    expect(opened.client.text).toBe('{"error":{"message":"no"}}');
    expect(settleOne(host)).toMatchObject({ status: 400, usage: [], framing: "json" });
  });

  test("of bytes that are no SSE at all", () => {
    const host = startTollgate();
    const noise = "<html>data: {}\n\n</html>";
    expect(answerIn(host, [...noise])).toBe(noise);
    expect(settleOne(host)).toMatchObject({ framing: "opaque", usage: [] });
  });

  test.each(["d", "data", 'data: {"choices":[],"usage"', "data: {", ": comm"])(
    "of a stream that breaks off after %s",
    (tail) => {
      const host = startTollgate();
      const broken = `data: ${FIRST}\n\n${tail}`;
      expect(answerIn(host, [...broken])).toBe(broken);
    },
  );

  test("of an event too large to be a usage chunk", () => {
    const host = startTollgate();
    const large = `data: ${chunk(`"choices":[],"pad":"${"x".repeat(40_000)}"`)}\n\n`;
    expect(answerIn(host, [large.slice(0, 30), large.slice(30, 20_000), large.slice(20_000)])).toBe(
      large,
    );
  });
});

describe("include_usage is asked for", () => {
  test.each([
    ['{"stream":true}', '{"stream_options":{"include_usage":true},"stream":true}'],
    [
      '{"stream":true,"stream_options":{}}',
      '{"stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      '{"stream":true,"stream_options":null}',
      '{"stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      '{"stream":true,"stream_options":{"include_usage":false}}',
      '{"stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      '{"stream_options":{"include_usage":null,"a":[1]},"stream":true}',
      '{"stream_options":{"include_usage":true,"a":[1]},"stream":true}',
    ],
    [
      ' { "stream" : true , "stream_options" : { "a" : 1 } } ',
      ' { "stream" : true , "stream_options" : {"include_usage":true, "a" : 1 } } ',
    ],
  ])("%s", (sent, forwarded) => {
    const host = startTollgate();
    const opened = request(host, sent);
    admit(host);
    expect(opened.upstream.text).toBe(forwarded);
    expect(opened.upstream.headers?.get("content-length")).toBe(String(forwarded.length));
  });

  test.each([
    ["the request is no stream", '{"model":"m","stream":false}', undefined],
    ["the API has no such option", '{"model":"m","stream":true}', "/v1/messages"],
  ])("not where %s", (_why, sent, path) => {
    const host = startTollgate();
    const opened = request(host, sent, path === undefined ? {} : { path });
    admit(host);
    expect(opened.upstream.text).toBe(sent);
  });
});

test("while a choice goes on nothing is held: what a broken stream sent has gone out", () => {
  const host = startTollgate();
  const opened = stream(host);
  opened.responseHeaders({ ":status": 200, "content-type": "text/event-stream" });
  const going = chunk('"choices":[{"delta":{"content":"H\u00e9"},"finish_reason":null}]');
  const begun = `data: ${going}\n\ndata: {"id":"c1","object":"chat.comp`;
  opened.responseBody(begun);
  expect(opened.client.text).toBe(begun);
  opened.resetUpstream();
  expect(settleOne(host)).toMatchObject({ outcome: "upstream_error", outputBytes: 3 });
});
