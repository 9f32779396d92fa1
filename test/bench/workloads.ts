/** What is sent and what is answered. The same bytes in every run. */

export interface Workload {
  name: string;
  /** JSON. */
  requestBody: Buffer;
  isStream: boolean;
}

export const CHAT_PATH = "/v1/chat/completions";
/** Parsed by every system that is compared, and priced by Tollgate's catalogue. */
const MODEL = "gpt-4o-mini";
const MESSAGE_BYTES = 4096;
/** What makes about so many bytes of JSON. */
const MESSAGE_CHARACTERS = 3_900;
const CONTENT_EVENTS = 48;

const SENTENCES = [
  "The parts list has changed since the last revision, so please compare both before you answer.",
  'A customer wrote: "the second invoice is wrong", and nobody could say which one was meant.\n',
  "Explain in plain words what the report says about the delays, with one example for each.",
  "- keep the names as they are\n- use a table where it helps\n- leave out what is not known\n",
];

/** Prose with some line ends and quotes, as prompts have. */
function prose(characters: number): string {
  let text = "";
  for (let i = 0; text.length < characters; i++) text += `${SENTENCES[i % SENTENCES.length]} `;
  return text.slice(0, characters);
}

/** A chat request of exactly `bytes` bytes, in messages of about 4 kB. */
export function chatRequest(bytes: number, isStream: boolean): Buffer {
  const count = Math.ceil(bytes / MESSAGE_BYTES);
  const messages = Array.from({ length: count }, (_, i) => ({
    role: i % 2 === 0 ? "user" : "assistant",
    content: prose(i === count - 1 ? bytes : MESSAGE_CHARACTERS),
  }));
  const options = isStream ? { stream: true, stream_options: { include_usage: true } } : {};
  const encode = () => JSON.stringify({ model: MODEL, max_tokens: 256, ...options, messages });
  const last = messages[count - 1] as { content: string };
  for (let over = encode().length - bytes; over > 0; over = encode().length - bytes) {
    // A character takes one byte or, escaped, two.
    last.content = last.content.slice(0, -Math.ceil(over / 2));
  }
  return Buffer.from(encode().padEnd(bytes));
}

export const WORKLOADS: readonly Workload[] = [
  { name: "json-1k", requestBody: chatRequest(1024, false), isStream: false },
  { name: "json-4k", requestBody: chatRequest(4 * 1024, false), isStream: false },
  { name: "json-64k", requestBody: chatRequest(64 * 1024, false), isStream: false },
  { name: "sse-52", requestBody: chatRequest(1024, true), isStream: true },
];

/** At a fixed rate this one is measured. */
export const LATENCY_WORKLOAD = WORKLOADS[1] as Workload;

/** A whole HTTP/1.1 request. */
export function requestBytes(path: string, headers: Record<string, string>, body: Buffer): Buffer {
  const lines = Object.entries({
    host: "llm.bench",
    "content-type": "application/json",
    ...headers,
    "content-length": String(body.length),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n`), body]);
}

const USAGE = { prompt_tokens: 210, completion_tokens: 180, total_tokens: 390 };
const NAMES = { id: "chatcmpl-bench", created: 1767225600, model: `${MODEL}-2024-07-18` };

/** A JSON answer of about 1 kB, as a whole HTTP/1.1 response. */
export function jsonResponse(): Buffer {
  const body = JSON.stringify({
    ...NAMES,
    object: "chat.completion",
    choices: [
      { index: 0, message: { role: "assistant", content: prose(700) }, finish_reason: "stop" },
    ],
    usage: USAGE,
  });
  return Buffer.from(
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** The pieces of a streamed answer: the head with the first event, then one event each. */
export function streamResponse(): Buffer[] {
  const chunk = (choices: object[], usage: object | null) =>
    JSON.stringify({ ...NAMES, object: "chat.completion.chunk", choices, usage });
  const choice = (delta: object, finish_reason: string | null) => [
    { index: 0, delta, logprobs: null, finish_reason },
  ];
  const events = [
    chunk(choice({ role: "assistant", content: "" }, null), null),
    ...Array.from({ length: CONTENT_EVENTS }, (_, i) =>
      chunk(choice({ content: ` word${i}` }, null), null),
    ),
    chunk(choice({}, "stop"), null),
    chunk([], USAGE),
    "[DONE]",
  ];
  const head =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
  return events.map((data, i) => {
    const event = `data: ${data}\n\n`;
    const piece = `${event.length.toString(16)}\r\n${event}\r\n`;
    const isLast = i === events.length - 1;
    return Buffer.from(`${i === 0 ? head : ""}${piece}${isLast ? "0\r\n\r\n" : ""}`);
  });
}
