/** Forms with files (RFC 7578): their fields are read as members of JSON; nothing is changed. */
import { describe, expect, test } from "vitest";
import { asked, FILE, field, form, MODEL, READ, send, TYPE, whole } from "./form.ts";
import {
  admit,
  answerConfig,
  CHAT,
  makeFilterConfig,
  respondJson,
  settle,
  settleOne,
  startFilter,
  startTollgate,
} from "./tollgate.ts";

const DURATION = { text: "Hello", usage: { type: "duration", seconds: 37 } };

describe("a form", () => {
  test.each([
    ["the file first", form(FILE, MODEL)],
    ["the file last", form(MODEL, FILE)],
    ["a file on both sides", form(FILE, MODEL, FILE)],
  ])("is read whole, byte by byte and in pieces of seven: %s", (_what, body) => {
    for (const size of [body.length, 1, 7]) {
      const llm = asked(body, TYPE, () => size);
      expect(llm).toEqual({ ...READ, inputBytes: body.length });
    }
  });

  test("has its fields told where those of JSON are", () => {
    const body = form(
      field("stream", "true"),
      field("n", "3"),
      field("max_tokens", "250"),
      field("model", 'a "b" \\ \xc3\xa4'),
      field("user", "ann"),
      field("we%22ird", "1"),
      field("other", "x"),
      FILE,
    );
    expect(asked(body)).toEqual({
      ...{ ...READ, model: 'a "b" \\ \u00e4', stream: true, maxOutputTokens: 250, choices: 3 },
      body: { "/user": "ann", '/we"ird': "1" },
      inputBytes: body.length,
    });
  });

  test("tells no stream, count or limit that its text is not", () => {
    const body = form(field("stream", "false"), field("n", "many"), field("max_tokens", ""), MODEL);
    expect(asked(body)).toEqual({ ...READ, inputBytes: body.length });
  });

  test("is settled with what was read, and reaches the upstream as it came", () => {
    const host = startTollgate();
    const body = form(MODEL, field("stream", "true"), FILE);
    const stream = send(host, body);
    const { llm } = admit(host, { model: "cheaper", maxOutputTokens: 7 });
    expect(stream.upstream.body.equals(body)).toBe(true);
    expect(stream.upstream.headers?.get("content-length")).toBe(String(body.length));
    expect(stream.upstream.headers?.get("content-type")).toBe(TYPE);
    expect(stream.routeCacheClears).toBe(0);
    respondJson(stream, DURATION);
    const record = settleOne(host);
    expect(record.llm).toEqual({ ...READ, stream: true, inputBytes: body.length });
    expect(llm).toEqual(record.llm);
    expect([record.modelSent, record.usage]).toEqual([undefined, [DURATION.usage]]);
  });

  test("is read behind a file that is larger than what is read at once", () => {
    const body = form(`${FILE}${"\r\n--b".repeat(50_000)}`, MODEL);
    expect(asked(body)).toEqual({ ...READ, inputBytes: body.length });
  });

  test("is read where its headers cannot be held", () => {
    const host = startTollgate({ configuration: { hold_headers: false } });
    const body = form(FILE, MODEL);
    const stream = send(host, body);
    expect(admit(host).llm).toEqual({ ...READ, inputBytes: body.length });
    expect(stream.upstream.body.equals(body)).toBe(true);
  });

  test("has its model told by the path where that names one", () => {
    const host = startTollgate();
    send(host, form(MODEL, FILE), TYPE, whole, "/openai/deployments/mine/audio/transcriptions");
    expect(admit(host).llm).toMatchObject({ model: "mine", rewritable: false });
  });
});

test("JSON in a body that is called a form is read as what it is", () => {
  const host = startTollgate();
  const body = Buffer.from(JSON.stringify({ ...CHAT, model: "gpt-4o" }));
  const stream = send(host, body, TYPE, whole, "/v1/chat/completions");
  expect(admit(host, { model: "gpt-4o-mini" }).llm).toEqual({
    ...{ api: "openai.chat.completions", model: "gpt-4o", stream: false },
    ...{ maxOutputTokens: null, choices: 1, inputBytes: body.length },
  });
  expect(JSON.parse(stream.upstream.text)).toEqual(CHAT);
});

describe("a form on a path that is no API's", () => {
  const body = form(MODEL, field("prompt", "x"), FILE);

  test("is let go, with no call", () => {
    const host = startTollgate();
    const stream = send(host, body, TYPE, whole, "/upload");
    expect(stream.upstream.body.equals(body)).toBe(true);
    expect(host.pendingCalls("/v1/admit")).toEqual([]);
  });

  test("before the first filter config it waits for that, as one on an API's path does", () => {
    const host = startFilter();
    host.advance(10);
    const upload = send(host, body, TYPE, whole, "/upload");
    const metered = send(host, body);
    expect([upload.isRequestHeld, metered.isRequestHeld]).toEqual([true, true]);
    answerConfig(host, makeFilterConfig());
    expect([upload.isRequestHeld, metered.isRequestHeld]).toEqual([false, true]);
    expect(admit(host).llm).toEqual({ ...READ, inputBytes: body.length });
    expect(metered.upstream.body.equals(body)).toBe(true);
  });
});

test("a lease that JSON brought is not for forms, nor the other way round", () => {
  const lease = { id: "l", parts: 8, validMs: 2000, maxInputBytes: 1000, maxOutputTokens: null };
  const json = Buffer.from('{"model":"whisper-1"}');
  const bodies: [Buffer, string][] = [
    [json, "application/json"],
    [form(MODEL), TYPE],
  ];
  for (const [body, type] of bodies) {
    const host = startTollgate();
    send(host, body, type);
    admit(host, { lease });
    const passes = (...given: [Buffer, string]) => send(host, ...given).upstream.isEnded;
    expect([passes(body, type), ...bodies.map((other) => passes(...other))]).toEqual([
      true,
      body === json,
      body !== json,
    ]);
  }
});

test("2,000 forms leave nothing behind", () => {
  const host = startTollgate();
  const body = form(MODEL, FILE);
  const run = (count: number) => {
    for (let i = 0; i < count; i++) {
      const stream = send(host, body);
      admit(host);
      respondJson(stream, DURATION);
      if (i % 50 === 49) settle(host);
    }
  };
  run(1000);
  const before = host.memoryBytes;
  run(2000);
  expect(host.memoryBytes).toBe(before);
});
