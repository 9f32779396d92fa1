/** Does something again and again, never twice at once. */

export interface PeriodicJob {
  /** Does it now; while it is under way, that one is waited for. */
  run(): Promise<void>;
  /** Begins no further run; resolves when the one under way has ended. */
  stop(): Promise<void>;
}

/**
 * Starts a job. It does not keep the process alive.
 * @param once never rejects: what can go wrong is handled there
 * @param intervalMs 0: only run() begins one
 */
export function startPeriodicJob(once: () => Promise<void>, intervalMs: number): PeriodicJob {
  let running: Promise<void> | null = null;
  const run = () => {
    running ??= once().finally(() => {
      running = null;
    });
    return running;
  };
  const timer = intervalMs > 0 ? setInterval(run, intervalMs) : undefined;
  timer?.unref();
  return {
    run,
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
