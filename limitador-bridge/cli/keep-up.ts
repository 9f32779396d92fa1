/** Parts of `tollgate up` that are started again when they end by themselves. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Running } from "./process.ts";

const RESTART_DELAY_MS = 1000;
/** A part that ends sooner than this after its start did not really run. */
const SHORT_LIFE_MS = 5000;
const MOST_SHORT_LIVES = 3;
/** From SIGTERM to SIGKILL. */
export const STOP_GRACE_MS = 10_000;

export interface Part {
  running: Running;
  start: () => Promise<Running>;
  startedAtMs: number;
  /** Short lives in a row. */
  shortLives: number;
}

/** What `tollgate up` runs. */
export interface Parts {
  /** In the order of their start. */
  started: Part[];
  /** From then on nothing is started any more. */
  isStopping: boolean;
}

/**
 * Starts a part, says its pid and adds it to `parts`.
 * @throws Error where all is being stopped; a part that was on its way has then ended
 */
export async function startPart(parts: Parts, start: () => Promise<Running>): Promise<Running> {
  checkNotStopping(parts);
  const running = await start();
  // Whoever stops the parts did not know of this one yet.
  if (parts.isStopping) await running.stop(STOP_GRACE_MS);
  checkNotStopping(parts);
  parts.started.push({ running, start, startedAtMs: Date.now(), shortLives: 0 });
  console.log(`${running.name} pid ${running.pid}`);
  return running;
}

function checkNotStopping({ isStopping }: Parts): void {
  if (isStopping) throw new Error("nothing is started any more: all parts are being stopped");
}

/**
 * Starts again what ends, as an init system would. Returns 0 when interrupted, 1 when a part ends
 * over and over.
 */
export async function keepUp(parts: Part[], interrupted: Promise<"interrupted">): Promise<0 | 1> {
  for (;;) {
    const ends = parts.map((part) => part.running.ended.then((how) => ({ part, how })));
    const event = await Promise.race([interrupted, ...ends]);
    if (event === "interrupted") return 0;
    const { part, how } = event;
    const { name } = part.running;
    const short = Date.now() - part.startedAtMs < SHORT_LIFE_MS;
    part.shortLives = short ? part.shortLives + 1 : 0;
    if (part.shortLives >= MOST_SHORT_LIVES) {
      console.error(`tollgate: ${name} ended by ${how} again; stopping the rest`);
      return 1;
    }
    console.error(`tollgate: ${name} ended by ${how}; starting it again`);
    const pause = sleep(RESTART_DELAY_MS);
    if ((await Promise.race([interrupted, pause])) === "interrupted") return 0;
    part.running = await part.start();
    part.startedAtMs = Date.now();
    console.log(`${name} pid ${part.running.pid}`);
  }
}
