/**
 * How fast the release filter reads request bodies, in this Node's V8. What the host does with a
 * body (it is copied into the module's memory, as in Envoy) is part of it; the bodies come in
 * pieces as Envoy reads them.
 */
import type { Host } from "../host/host.ts";
import { answerCalls, openChat, startFilter } from "./filter-driver.ts";
import { undisturbed } from "./statistics.ts";
import { chatRequest } from "./workloads.ts";

const KIB = 1024;
/** What Envoy reads from a connection at once. */
const PIECE_BYTES = 16 * KIB;
const SHORT_BYTES = KIB;
const BODY_BYTES = 64 * KIB;
const MEDIUM_BYTES = 1024 * KIB;
const LARGE_BYTES = 8 * 1024 * KIB;
const BODIES_PER_ROUND = 400;
const LARGE_BODIES_PER_ROUND = 40;
/** Streams between two ticks: as many as a busy worker has. */
const STREAMS_PER_TICK = 50;

export interface ScannerResult {
  /** On bodies of 64 kB; one value for each round. */
  gigabytesPerSecond: number[];
  /** Time of a byte in a body of 8 MiB by that in one of 1 MiB: 1 is linear. */
  largeBodyFactor: number[];
}

/** Measures; `config` is what the service answers at /v1/filter-config. */
export function measureScanner(wasm: string, config: object, rounds: number): ScannerResult {
  const host = startFilter(wasm, config);
  const sizes = [SHORT_BYTES, BODY_BYTES, MEDIUM_BYTES, LARGE_BYTES];
  const [short, body, medium, large] = sizes.map((bytes) => chatRequest(bytes, false)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const result: ScannerResult = { gigabytesPerSecond: [], largeBodyFactor: [] };
  scanMs(host, [short, body], BODIES_PER_ROUND);
  for (let round = 0; round < rounds; round++) {
    const [shortMs, bodyMs] = scanMs(host, [short, body], BODIES_PER_ROUND);
    const [mediumMs, largeMs] = scanMs(host, [medium, large], LARGE_BODIES_PER_ROUND);
    // What every request costs, however long it is, goes with the short one.
    const perByteMs = (bytes: number, ms: number) => (ms - shortMs) / (bytes - short.length);
    result.gigabytesPerSecond.push(1 / perByteMs(body.length, bodyMs) / 1e6);
    result.largeBodyFactor.push(
      perByteMs(large.length, largeMs) / perByteMs(medium.length, mediumMs),
    );
  }
  return result;
}

/** Time of the filter's callback for each of two bodies where nothing else interrupts it. */
function scanMs(host: Host, bodies: [Buffer, Buffer], count: number): [number, number] {
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < count; i++) {
    // In turn, so that what disturbs this machine disturbs both alike.
    bodies.forEach((body, of) => {
      times[of]?.push(bodyMs(host, body));
    });
    if (i % STREAMS_PER_TICK === 0) answerCalls(host);
  }
  answerCalls(host);
  return [undisturbed(times[0]), undisturbed(times[1])];
}

function bodyMs(host: Host, body: Buffer): number {
  const stream = openChat(host, body, "user-0");
  const pieces = Array.from({ length: Math.ceil(body.length / PIECE_BYTES) }, (_, i) =>
    body.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES),
  );
  const before = performance.now();
  for (const [i, piece] of pieces.entries()) {
    stream.requestBody(piece, i === pieces.length - 1);
  }
  const ms = performance.now() - before;
  stream.disconnect();
  for (const call of host.pendingCalls("/v1/admit")) call.timeOut();
  return ms;
}
