import { describe, expect, test } from "vitest";
import { damaged, frame, header } from "./frames.ts";
import {
  bytesOf,
  cut,
  Kind,
  type Pointer,
  pieces,
  type ScanModule,
  type Scanner,
  settled,
} from "./scan-module.ts";

const pointers: Pointer[] = [
  ["/model", Kind.Value],
  ["/usage", Kind.Value],
  ["/usage/prompt_tokens", Kind.Value],
  ["/choices/*/delta/content", Kind.Text],
  ["/messages", Kind.Probe],
  ["/bytes", Kind.Base64],
];

const documents = [
  '{"mod\\u0065l":"gpt-4o","messages":[{"role":"user","content":"Grüße \\ud83d\\ude00"}]}',
  '{"choices":[{"delta":{"content":"a\\n\\u00e9"}},{"delta":{"content":""}}],"usage":null}',
  ' { "usage" : { "prompt_tokens" : -1.5e3 , "d":[1,{}] } , "messages" : [ ] } ',
  `{"bytes":"${Buffer.from('{"usage":{"prompt_tokens":7}}').toString("base64")}"}`,
];

/** An event for each document, and what else a stream may hold. */
function events(newline: string): string {
  const lines = [": hello", "", "event: a", `data: ${documents[0]}`, ""];
  lines.push("id", "data", `data:${documents[1]}`, "data:", "", "");
  lines.push("retry: 5", `data: ${documents[2]}`, ":", "", `data: ${documents[3]}`, "");
  lines.push("data: [DONE]", "", "data: [", "data: {}]", "", "data: unfinished");
  return lines.join(newline);
}

function mixed(): string {
  const newlines = ["\n", "\r\n", "\r"];
  let next = 0;
  return events("\n").replace(/\n/g, () => newlines[next++ % newlines.length]!);
}

function frames(): Uint8Array {
  const type = header(":event-type", "chunk");
  const good = documents.map((document) => frame(document, type));
  const bad = damaged(frame("{}", type), -1);
  const exception = frame('{"message":"no"}', header(":exception-type", "throttling"));
  return Buffer.concat([...good, frame(""), bad, exception, damaged(bad, 9), ...good]);
}

const streams: [name: string, scanner: Scanner, stream: string | Uint8Array][] = [
  ["lines of JSON", "json", documents.join("\n")],
  ["an array", "json", `\ufeff[${documents.join(",")}]`],
  ["malformed JSON", "json", `${documents[0]}{"usage":{"prompt_tokens":tru}}${documents[1]}`],
  ["events, LF", "sse", events("\n")],
  ["events, CRLF", "sse", events("\r\n")],
  ["events, CR", "sse", events("\r")],
  ["events, all newlines, byte order mark", "sse", `\ufeff${mixed()}`],
  ["AWS event stream", "frames", frames()],
];

export function describeSplits(scan: ScanModule): void {
  describe("cut anywhere, the same is told", () => {
    test.each(streams)("%s", (_, scanner, stream) => {
      const bytes = bytesOf(stream);
      scan.use(pointers);
      const whole = settled(scan.run(scanner, [bytes]));
      expect(whole.filter(([name]) => name === "value").length).toBeGreaterThan(0);
      for (let at = 1; at < bytes.length; at++) {
        expect(settled(scan.run(scanner, cut(bytes, at)))).toEqual(whole);
      }
      for (let size = 1; size < 20; size++) {
        expect(settled(scan.run(scanner, pieces(bytes, size)))).toEqual(whole);
      }
      const apart = pieces(bytes, 1).flatMap((byte) => [byte, new Uint8Array(0)]);
      expect(settled(scan.run(scanner, apart))).toEqual(whole);
    });
  });
}
