/** Damage to bytes: what broken clients, providers and networks send, and worse. */
import { once, pick, type Random, randomBytes } from "./random.ts";

const DEEP = 200;
/** No input is larger. */
export const MAX_BYTES = 24 * 1024;
/** What may stand in a value's place. */
const ODD_VALUES = [
  "null",
  "true",
  "-0",
  "1e999",
  "-1",
  "0.1e-400",
  "9007199254740993",
  "9".repeat(400),
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u12',
  '"\\x"',
  '"\xff\xfe\xc0\x80"',
  '"\xf0\x9f\x98"',
  `"${"x".repeat(600)}"`,
  `"${"\\n".repeat(3000)}"`,
  "[]",
  "{}",
  "[".repeat(DEEP),
  "]".repeat(3),
  '{"a":'.repeat(DEEP),
  `${"[".repeat(100)}${"]".repeat(100)}`,
  '{"":{"":{}}}',
  "NaN",
  "01",
  "\u0000",
];
const ODD_BYTES = [
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "\n",
  "\r",
  "\r\n",
  "\n\n",
  "\r\r",
  "\xef\xbb\xbf",
  "data:",
  "data: [DONE]\n\n",
  ": x\n",
  "event: y\n",
  "\u0000",
  "\xff",
  "\\u",
  "0",
  "e",
];
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g;

interface Token {
  text: string;
  start: number;
  end: number;
}

/** The bytes with one to six changes; never more than 24 KiB. */
export function mutate(random: Random, bytes: Buffer): Buffer {
  let mutated = bytes;
  const changes = 1 + random(once(random, 4) ? 6 : 2);
  for (let i = 0; i < changes; i++) {
    mutated = once(random, 2) ? changeToken(random, mutated) : changeBytes(random, mutated);
  }
  return mutated.subarray(0, MAX_BYTES);
}

function changeBytes(random: Random, bytes: Buffer): Buffer {
  const at = random(bytes.length + 1);
  const head = bytes.subarray(0, at);
  const tail = bytes.subarray(at);
  const length = random(once(random, 8) ? 500 : 12);
  switch (random(7)) {
    case 0:
      return Buffer.concat([head, Buffer.from(pick(random, ODD_BYTES), "latin1"), tail]);
    case 1:
      return Buffer.concat([head, tail.subarray(length)]);
    case 2:
      return Buffer.concat([head, tail.subarray(0, length), tail]);
    case 3:
      return Buffer.concat([head, randomBytes(random, Math.min(length, 40)), tail]);
    case 4:
      return once(random, 4) ? Buffer.from(head) : bytes;
    case 5:
      return Buffer.concat([head, bytes]);
    default: {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy.writeUInt8(copy.readUInt8(at) ^ (1 << random(8)), at);
      return copy;
    }
  }
}

/** Changes a key, a value or a bracket as a whole; members may come twice. */
function changeToken(random: Random, bytes: Buffer): Buffer {
  const text = bytes.toString("latin1");
  const tokens = [...text.matchAll(TOKEN)].map(
    (match): Token => ({
      text: match[0],
      start: match.index,
      end: match.index + match[0].length,
    }),
  );
  const token = tokens[random(Math.max(1, tokens.length))];
  if (token === undefined) return bytes;
  const other = pick(random, tokens).text;
  const put = (between: string) =>
    Buffer.from(text.slice(0, token.start) + between + text.slice(token.end), "latin1");
  switch (random(5)) {
    case 0:
      return put("");
    case 1:
      return put(other);
    case 2:
      return Buffer.from(withTwin(random, text, tokens), "latin1");
    case 3:
      return put(escapedLetters(token.text));
    default:
      return put(pick(random, ODD_VALUES));
  }
}

/** A run of tokens between two commas once more: mostly a member with the same key. */
function withTwin(random: Random, text: string, tokens: Token[]): string {
  const commas = tokens.filter((token) => token.text === ",");
  if (commas.length < 2) return text;
  const first = random(commas.length - 1);
  const from = (commas[first] as Token).start;
  const to = (commas[first + 1] as Token).start;
  const at = (pick(random, commas) as Token).start;
  return text.slice(0, at) + text.slice(from, to) + text.slice(at);
}

/** The same string for a JSON parser, other bytes. */
function escapedLetters(token: string): string {
  if (!/^"\w*"$/.test(token)) return token;
  const letters = [...token.slice(1, -1)].map(
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${letters.join("")}"`;
}
