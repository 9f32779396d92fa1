/** Every recorded stream, cut after events all along it. */
import { describe, expect, test } from "vitest";
import { createRatios } from "../../limitador-bridge/estimate/ratios.ts";
import { interpretUsage } from "../../limitador-bridge/usage/interpret.ts";
import { inputTotal, outputTotal, type Usage } from "../../limitador-bridge/usage/normal-form.ts";
import { recordedCases } from "./recorded.ts";
import { type Exchange, referenceCapture } from "./reference-capture.ts";

interface StreamCase extends Exchange {
  id: string;
  stream: boolean;
  expect: { kind: string };
}

/** How far over the full answer a cut one may be charged. */
const TOLERANCE = 1.25;
/** Spread evenly over streams that have more events. */
const MAX_CUTS = 8;
/**
 * Of streams where no byte tells that the prompt was cheap: JSON that is no tokens, a prompt out of
 * a cache, a start that the end takes back.
 */
const MAX_SHARE_OVER = 0.03;

const streams = recordedCases<StreamCase>().filter(
  ({ stream, response, expect: { kind } }) =>
    stream && response.status < 400 && (kind === "final" || kind === "partial"),
);

/** A stream's body in pieces that each end with an event. */
function eventsOf({ response }: Exchange): Buffer[] {
  const { body, body_base64: base64, headers } = response;
  const bytes = base64 == null ? Buffer.from(body ?? "") : Buffer.from(base64, "base64");
  if (headers["content-type"]?.startsWith("application/vnd.amazon.eventstream")) {
    const frames: Buffer[] = [];
    for (let at = 0; at + 16 <= bytes.length; at += bytes.readUInt32BE(at)) {
      frames.push(bytes.subarray(at, at + bytes.readUInt32BE(at)));
    }
    return frames;
  }
  const text = bytes.toString("latin1");
  const isSse = /^(data|event|id|retry|:)/m.test(text) && !/^\s*[{[]/.test(text);
  const piece = isSse ? /[\s\S]*?(?:\r\n\r\n|\n\n|\r\r(?!\n))|[\s\S]+$/g : /[^\n]*\n|[^\n]+$/g;
  return (text.match(piece) ?? []).map((event) => Buffer.from(event, "latin1"));
}

function totalOf({ tokens, extraLines }: Usage): number {
  return [tokens, ...extraLines.map((line) => line.tokens)].reduce(
    (sum, each) => sum + inputTotal(each) + outputTotal(each),
    0,
  );
}

const read = (exchange: Exchange, outcome: "ok" | "client_disconnect") =>
  interpretUsage(referenceCapture(exchange, outcome), createRatios());

/** What is wrong with the charge after each event, worst first. */
function faultsOf(given: StreamCase): { wrong: string[]; isOver: boolean } {
  const whole = read(given, "ok");
  const full = totalOf(whole);
  const events = eventsOf(given);
  const wrong: string[] = [];
  let isOver = false;
  const step = Math.max(1, events.length / MAX_CUTS);
  for (let at = 0; at < events.length; at += step) {
    const kept = Math.floor(at);
    const cut = Buffer.concat(events.slice(0, kept)).toString("base64");
    const { body: _, ...response } = given.response;
    const usage = read(
      { ...given, response: { ...response, body_base64: cut } },
      "client_disconnect",
    );
    const total = totalOf(usage);
    const isLastWord = usage.source === "reported" && total === full;
    if (usage.source !== "estimated" && !isLastWord) wrong.push(`${kept}: ${usage.source}`);
    if (usage.source === "estimated" && total <= 0) wrong.push(`${kept}: nothing`);
    isOver ||= whole.source === "reported" && total > full * TOLERANCE;
  }
  return { wrong, isOver };
}

describe.skipIf(streams.length === 0)("recorded streams, cut short", () => {
  test("are estimated, above 0, and seldom far over the full answer", { timeout: 120_000 }, () => {
    const faults = streams.map((given) => ({ id: given.id, ...faultsOf(given) }));
    expect(faults.filter(({ wrong }) => wrong.length > 0)).toEqual([]);
    const over = faults.filter(({ isOver }) => isOver).map(({ id }) => id);
    expect(over.length, over.join("\n")).toBeLessThanOrEqual(streams.length * MAX_SHARE_OVER);
  });
});

test.skipIf(streams.length > 0)("no corpus: set TOLLGATE_CORPUS to its folder", () => {
  expect(streams).toEqual([]);
});
