/** Puts an answer on the wire, at the pace, in the pieces and with the faults asked for. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { constants, createGzip, gzipSync } from "node:zlib";
import type { Answer } from "./exchange.ts";
import type { SimulatorSettings } from "./settings.ts";

/** Before a reset, so that what was written reaches the other side first. */
const RESET_GRACE_MS = 10;

export interface Delivered {
  outputTokens: number;
  /** The client hung up, or a fault that was asked for cut the answer. */
  aborted: boolean;
}

/** Sends the answer. Never throws for a client that hangs up. */
export async function deliver(
  res: ServerResponse,
  answer: Answer,
  settings: SimulatorSettings,
  headers: Record<string, string>,
): Promise<Delivered> {
  if (settings.delayMs > 0) await pause(res, settings.delayMs);
  if (res.destroyed) return { outputTokens: 0, aborted: true };
  if (settings.resetAfterEvents === 0) {
    res.socket?.resetAndDestroy();
    return { outputTokens: 0, aborted: true };
  }
  const sent = sentEvents(answer, settings);
  const texts = inNewline(sent.events, settings.newline);
  const allHeaders = { ...headers, "content-type": answer.contentType };
  if (settings.gzip) Object.assign(allHeaders, { "content-encoding": "gzip" });
  if (canSendAtOnce(settings) && !sent.cut) {
    sendAtOnce(res, texts.join(""), answer, settings, allHeaders);
    return { outputTokens: answer.generatedAfter(answer.events.length), aborted: false };
  }
  return sendPaced(res, answer, settings, { texts, cut: sent.cut, headers: allHeaders });
}

function canSendAtOnce(settings: SimulatorSettings): boolean {
  return settings.chunkDelayMs === 0 && settings.splitBytes === null;
}

/** What of the answer goes out before a fault: whole events, or half of a JSON document. */
function sentEvents(
  answer: Answer,
  settings: SimulatorSettings,
): { events: string[]; cut: boolean } {
  const after = settings.resetAfterEvents ?? settings.truncateAfterEvents;
  if (after === null) return { events: answer.events, cut: false };
  if (answer.stream) return { events: answer.events.slice(0, after), cut: true };
  const document = answer.events[0] ?? "";
  return { events: [document.slice(0, after === 0 ? 0 : document.length >> 1)], cut: true };
}

function inNewline(events: string[], newline: "\n" | "\r\n" | "\r"): string[] {
  return newline === "\n" ? events : events.map((event) => event.replaceAll("\n", newline));
}

/** The usual way, and the cheap one: a single write. */
function sendAtOnce(
  res: ServerResponse,
  text: string,
  answer: Answer,
  settings: SimulatorSettings,
  headers: Record<string, string>,
): void {
  const body = settings.gzip ? gzipSync(text) : text;
  const length = answer.stream ? {} : { "content-length": Buffer.byteLength(body) };
  res.writeHead(200, { ...headers, ...length });
  res.end(body);
}

async function sendPaced(
  res: ServerResponse,
  answer: Answer,
  settings: SimulatorSettings,
  what: { texts: string[]; cut: boolean; headers: Record<string, string> },
): Promise<Delivered> {
  const eventwise = settings.chunkDelayMs > 0 || what.cut;
  const texts = eventwise ? what.texts : [what.texts.join("")];
  const units = settings.gzip ? await gzipEach(texts) : texts.map((text) => Buffer.from(text));
  res.writeHead(200, what.headers);
  res.flushHeaders();
  let sent = 0;
  for (const [i, unit] of units.entries()) {
    if (i > 0 && settings.chunkDelayMs > 0) await pause(res, settings.chunkDelayMs);
    for (const piece of piecesOf(unit, settings.splitBytes)) {
      if (!(await write(res, piece))) {
        return { outputTokens: answer.generatedAfter(sent), aborted: true };
      }
      if (settings.splitBytes !== null) await nextTurn();
    }
    sent = eventwise ? i + 1 : answer.events.length;
  }
  if (settings.resetAfterEvents !== null) {
    await sleep(RESET_GRACE_MS);
    res.socket?.resetAndDestroy();
  } else {
    res.end();
  }
  return { outputTokens: answer.generatedAfter(sent), aborted: what.cut };
}

/** Waits, but not for a client that has gone. */
async function pause(res: ServerResponse, ms: number): Promise<void> {
  const stop = new AbortController();
  const onClose = () => stop.abort();
  res.once("close", onClose);
  try {
    await sleep(ms, undefined, { signal: stop.signal });
  } catch (error) {
    if ((error as Error).name !== "AbortError") throw error;
  } finally {
    res.off("close", onClose);
  }
}

/** Writes with backpressure. Returns false when the client is gone. */
async function write(res: ServerResponse, piece: Buffer): Promise<boolean> {
  if (res.destroyed) return false;
  if (!res.write(piece)) {
    const stop = new AbortController();
    const options = { signal: stop.signal };
    const ignore = () => false;
    await Promise.race([
      once(res, "drain", options).catch(ignore),
      once(res, "close", options).catch(ignore),
    ]);
    stop.abort();
  }
  return !res.destroyed;
}

function* piecesOf(unit: Buffer, splitBytes: number | null): Generator<Buffer> {
  const size = splitBytes ?? unit.length;
  for (let at = 0; at < unit.length; at += size) yield unit.subarray(at, at + size);
}

/** One gzip member, flushed after each part; the last piece holds the trailer too. */
async function gzipEach(parts: string[]): Promise<Buffer[]> {
  const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
  const pieces: Buffer[] = [];
  let collected: Buffer[] = [];
  gzip.on("data", (data: Buffer) => collected.push(data));
  for (const part of parts) {
    await new Promise<void>((resolve) => {
      gzip.write(part);
      gzip.flush(constants.Z_SYNC_FLUSH, resolve);
    });
    pieces.push(Buffer.concat(collected));
    collected = [];
  }
  const ended = once(gzip, "end");
  gzip.end();
  await ended;
  pieces.push(Buffer.concat([pieces.pop() ?? Buffer.alloc(0), ...collected]));
  return pieces;
}
