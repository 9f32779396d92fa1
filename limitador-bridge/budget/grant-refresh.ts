/** Takes over what other replicas granted, every second. */
import type { Log } from "../admission/ports.ts";
import type { GrantBook } from "./grants.ts";

const INTERVAL_MS = 1000;

export interface GrantRefresh {
  /** Reads once; resolves when that has been tried. */
  now(): Promise<void>;
  stop(): Promise<void>;
}

/** Begins. While the notes cannot be read, what was known stays in force. */
export function startGrantRefresh(
  grants: Pick<GrantBook, "refresh">,
  log: Log,
  intervalMs: number = INTERVAL_MS,
): GrantRefresh {
  let running: Promise<void> | null = null;
  let hasFailed = false;
  const run = async () => {
    try {
      await grants.refresh();
      hasFailed = false;
    } catch (error) {
      // Once for each outage, not once a second.
      if (!hasFailed) log.error({ err: error }, "grants not read: the known ones stay in force");
      hasFailed = true;
    }
    running = null;
  };
  const now = () => {
    running ??= run();
    return running;
  };
  const timer = setInterval(now, intervalMs);
  timer.unref();
  return {
    now,
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
