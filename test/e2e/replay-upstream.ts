/**
 * An upstream that answers with recorded exchanges, byte for byte. The request chooses one by
 * `x-replay-case` (an id or a position), and how it is sent by `x-replay-chunk-bytes` (the size
 * of each write) and `x-replay-cut: 1` (the connection breaks after the body).
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { bodyOf, type CorpusCase } from "./corpus-case.ts";

export type ReplayCase = Pick<CorpusCase, "id" | "response">;

export interface ReplayUpstream {
  url: string;
  /** Requests received, oldest first. */
  received: { caseId: string; path: string; headers: IncomingMessage["headers"]; body: Buffer }[];
  close: () => Promise<void>;
}

/** RFC 9110 section 7.6.1, and the framing of the recorded connection. */
const NOT_REPLAYED = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** Long enough for the other side to have read what was written. */
const CUT_GRACE_MS = 20;
/** A pause after this many writes keeps later ones from joining into one read. */
const WRITES_PER_PAUSE = 16;

/** Starts on a free port of 127.0.0.1. */
export async function startReplayUpstream(cases: ReplayCase[]): Promise<ReplayUpstream> {
  const byName = new Map<string, ReplayCase>();
  cases.forEach((each, index) => {
    byName.set(each.id, each);
    byName.set(String(index), each);
  });
  const received: ReplayUpstream["received"] = [];
  const server = createServer({ keepAliveTimeout: 600_000, noDelay: true }, (req, res) => {
    answer(req, res, byName, received).catch((error: unknown) => res.destroy(error as Error));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  byName: Map<string, ReplayCase>,
  received: ReplayUpstream["received"],
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of req) parts.push(part as Buffer);
  const name = String(req.headers["x-replay-case"] ?? "");
  const chosen = byName.get(name);
  if (chosen === undefined) {
    res.writeHead(404, { "content-type": "text/plain" });
    res.end(`no case named ${JSON.stringify(name)}\n`);
    return;
  }
  received.push({
    caseId: chosen.id,
    path: req.url ?? "",
    headers: req.headers,
    body: Buffer.concat(parts),
  });
  const { status, headers } = chosen.response;
  const kept = Object.entries(headers).filter(([key]) => !NOT_REPLAYED.has(key.toLowerCase()));
  const chunkBytes = Number(req.headers["x-replay-chunk-bytes"] ?? 0);
  const cut = req.headers["x-replay-cut"] === "1";
  const body = bodyOf(chosen);
  res.writeHead(status, Object.fromEntries(kept));
  if (chunkBytes > 0) {
    await writePieces(res, body, chunkBytes);
  } else if (body.length > 0) {
    res.write(body);
  }
  if (cut) {
    await breakConnection(res);
  } else {
    res.end();
  }
}

async function writePieces(res: ServerResponse, body: Buffer, size: number): Promise<void> {
  for (let at = 0, writes = 1; at < body.length; at += size, writes += 1) {
    if (res.destroyed) return;
    res.write(body.subarray(at, at + size));
    // Each turn of the event loop flushes what was written.
    await new Promise((done) => setImmediate(done));
    if (writes % WRITES_PER_PAUSE === 0) await sleep(0);
  }
}

async function breakConnection(res: ServerResponse): Promise<void> {
  const socket: Socket | null = res.socket;
  res.flushHeaders();
  await sleep(CUT_GRACE_MS);
  socket?.destroy();
}
