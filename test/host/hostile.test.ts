/** Bodies that no honest client or provider sends: no trap, no hang, nothing let go unasked. */
import { describe, expect, test } from "vitest";
import { mutate } from "../fuzz/mutate.ts";
import { createRandom } from "../fuzz/random.ts";
import {
  admit,
  CHAT,
  CHAT_PATH,
  open,
  request,
  respondSse,
  settleOne,
  startTollgate,
} from "./tollgate.ts";

const DEEP = 50_000;
const BODIES: Record<string, string> = {
  nothing: "",
  "white space": " \n\t ",
  "a lone brace": "{",
  "text that is no JSON": "hello",
  "deep arrays": "[".repeat(DEEP),
  "deep objects": '{"messages":'.repeat(DEEP),
  "deep closing": `${"[".repeat(DEEP)}${"]".repeat(DEEP)}`,
  "an endless string": `{"model":"${"x".repeat(300_000)}`,
  "a huge model": `{"model":"${"m".repeat(300_000)}","messages":[]}`,
  "a huge key": `{"${"k".repeat(300_000)}":1,"model":"m","messages":[]}`,
  "a broken escape": '{"model":"\\x","messages":[]}',
  "a lone surrogate": '{"model":"\\ud800","messages":[]}',
  "half an escape": '{"model":"\\u12',
  "a NUL": '{"model":"a\\u0000b","messages":[]}',
  "a huge number": `{"max_tokens":${"9".repeat(5000)},"model":"m"}`,
  "a negative number": '{"max_tokens":-5,"n":-2,"model":"m"}',
  "a fraction": '{"max_tokens":1.5e400,"n":0.5,"model":"m"}',
  "wrong types": '{"model":{"a":1},"stream":"yes","max_tokens":[],"n":null,"messages":7}',
  "many members": `{${Array.from({ length: 20_000 }, (_x, i) => `"k${i}":${i}`).join()}}`,
  "two documents": '{"model":"a"}{"model":"b"}',
  "invalid UTF-8 (as Latin-1)": '{"model":"\u00ff\u00fe","messages":[]}',
};

const MOST = Number.MAX_SAFE_INTEGER;
/** What is read in those that are JSON: the model, the output limit; null: none. */
const READ: Record<string, [string | null, number | null]> = {
  "a huge model": [null, null],
  "a huge key": ["m", null],
  "a broken escape": ["x", null],
  "a lone surrogate": ["\ud800", null],
  "a NUL": ["a\0b", null],
  "a huge number": ["m", MOST],
  "a negative number": ["m", null],
  "a fraction": ["m", MOST],
  "wrong types": [null, null],
  "many members": [null, null],
  "invalid UTF-8 (as Latin-1)": ["\u00ff\u00fe", null],
};
/** And in those that are not, so that nothing can be changed in them. */
const READ_ANYWAY: typeof READ = { "two documents": ["b", null] };

describe("a request body with", () => {
  test.each(Object.entries(BODIES))("%s is asked about, and goes on when allowed", (what, text) => {
    const host = startTollgate();
    const stream = request(host, text);
    const [model, maxOutputTokens] = { ...READ, ...READ_ANYWAY }[what] ?? [null, null];
    expect(admit(host).llm).toEqual({
      api: "openai.chat.completions",
      model,
      stream: false,
      choices: 1,
      maxOutputTokens,
      inputBytes: Buffer.byteLength(text),
      ...(what in READ ? {} : { rewritable: false }),
    });
    expect(stream.upstream.isEnded).toBe(true);
    stream.disconnect();
    expect(settleOne(host).outcome).toBe("client_disconnect");
  });

  test.each(Object.entries(BODIES))("%s is refused when denied", (_what, text) => {
    const host = startTollgate();
    const stream = request(host, text);
    const deny = { status: 403, headers: {}, body: "no" };
    admit(host, { verdict: "deny", reservation: null, deny });
    expect([stream.client.status, stream.upstream.headers]).toEqual([403, null]);
  });
});

test("random bytes, and an LLM request with random bytes in it, in random pieces", () => {
  const host = startTollgate();
  const random = randomBytes(42);
  for (let round = 0; round < 300; round++) {
    const body = Buffer.from(JSON.stringify({ ...CHAT, stream: true, max_tokens: 9 }));
    for (let i = 0; i < 1 + (round % 7); i++) body[random() % body.length] = random() & 0xff;
    const stream = open(host, body);
    sendInPieces(stream.requestBody.bind(stream), body, random);
    admit(host);
    const answer = Buffer.from('data: {"choices":[{"delta":{"content":"x"}}],"usage":{"a":1}}\n\n');
    for (let i = 0; i < round % 5; i++) answer[random() % answer.length] = random() & 0xff;
    const pieces: Buffer[] = [];
    sendInPieces((piece) => pieces.push(Buffer.from(piece)), answer, random);
    respondSse(stream, pieces);
    expect(stream.client.body.equals(answer)).toBe(true);
    expect(settleOne(host).responseBytes).toBe(answer.length);
  }
});

/** Envoy must be able to read every header that the service answers with; odd ones do no harm. */
test("odd answers of the service do no harm", () => {
  const host = startTollgate();
  const answers = [
    { maxOutputTokens: 5, model: 'quote " and \u00e4' },
    { requestHeaders: { "x-a": "" }, responseHeaders: { "x-b": "\u00fc" } },
  ];
  for (const answer of answers) {
    const stream = request(host, { ...CHAT, max_tokens: 10 });
    admit(host, answer);
    const sent = JSON.parse(stream.upstream.text);
    expect(sent.max_tokens).toBe(answer.maxOutputTokens ?? 10);
    expect(sent.model).toBe(answer.model ?? CHAT.model);
    stream.disconnect();
  }
});

describe("a large body", () => {
  test("is read without lying in wasm memory whole", () => {
    const size = 32 * 1024 * 1024;
    const host = startTollgate({ host: { bufferLimitBytes: 2 * size } });
    const image = `data:image/png;base64,${"A".repeat(size)}`;
    const stream = request(host, { ...CHAT, messages: [{ role: "user", content: image }] });
    expect(admit(host).llm.inputBytes).toBeGreaterThan(size);
    expect(stream.upstream.bodyBytes).toBeGreaterThan(size);
    expect(host.memoryBytes).toBeLessThan(4 * 1024 * 1024);
  });

  test("over Envoy's own limit is refused by Envoy, and never asked about", () => {
    const host = startTollgate({ host: { bufferLimitBytes: 1000 } });
    const text = Buffer.from(JSON.stringify({ ...CHAT, pad: "x".repeat(2000) }));
    const stream = open(host, text);
    stream.requestBody(text.subarray(0, 900));
    stream.requestBody(text.subarray(900));
    stream.requestBody("", true);
    expect(stream.client.status).toBe(413);
    expect(host.pendingCalls("/v1/admit")).toHaveLength(0);
  });
});

test("a header with quotes, controls and invalid bytes is sent as JSON that can be read", () => {
  const host = startTollgate({
    filterConfig: { attributes: { headers: ["*"], properties: [], metadata: [] } },
  });
  const value = 'a"b\\c\u0001\u007f\u2028';
  request(host, CHAT, { path: `${CHAT_PATH}?q="\\`, headers: { "x-odd": value, 'x-"': "1" } });
  const { attributes } = admit(host);
  expect(attributes["request.headers"]).toMatchObject({ "x-odd": value, 'x-"': "1" });
  expect(attributes["request.path"]).toBe(`${CHAT_PATH}?q="\\`);
});

test("2,000 damaged answers with leases and cuts: nobody hangs, no lease lasts for ever", () => {
  const random = createRandom(11);
  const lease = { id: "l", parts: 3, validMs: 500, maxInputBytes: 900, maxOutputTokens: 20 };
  const closing = "data: [DONE]\n\n";
  const answer = { verdict: "allow", reservation: "r", requestHeaders: {}, responseHeaders: {} };
  const one = { ...answer, lease, cut: { afterOutputBytes: 5, closing }, maxOutputTokens: 9 };
  const single = Buffer.from(JSON.stringify(one));
  const batch = Buffer.from(JSON.stringify({ answers: [one, answer, one] }));
  const host = startTollgate({ filterConfig: { failureMode: "deny" } });
  for (let round = 0; round < 400; round++) {
    const streams = [0, 1, 2, 3, 4].map((i) => request(host, { ...CHAT, model: `m${i}` }));
    for (
      let [call] = host.pendingCalls("/v1/admit");
      call;
      [call] = host.pendingCalls("/v1/admit")
    ) {
      const isBatch = "requests" in call.json();
      call.respond(200, {}, mutate(random, isBatch ? batch : single));
    }
    for (const { upstream, client } of streams) {
      expect([upstream.isEnded, client.status !== undefined]).toContain(true);
    }
    for (const stream of streams) if (stream.upstream.isEnded) respondSse(stream, ["data: {}\n\n"]);
    host.advance(100);
    for (const call of host.pendingCalls("/v1/settle")) call.respond(200, {}, "{}");
    for (const call of host.pendingCalls("/v1/filter-config")) call.respond(304);
  }
  host.advance(60_000);
  for (let i = 0; i < 5; i++) {
    expect(request(host, { ...CHAT, model: `m${i}` }).upstream.isEnded).toBe(false);
  }
});

function randomBytes(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}

function sendInPieces(
  send: (piece: Buffer, end: boolean) => void,
  bytes: Buffer,
  random: () => number,
): void {
  let at = 0;
  while (at < bytes.length) {
    const next = Math.min(bytes.length, at + 1 + (random() % 40));
    send(bytes.subarray(at, next), next === bytes.length);
    at = next;
  }
}
