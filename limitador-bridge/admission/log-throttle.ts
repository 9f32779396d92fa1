/** Keeps one fault, met by every request, from filling the log: metrics count, the log tells. */

/** Faults told apart; all later ones share one place. */
const MAX_FAULTS = 1000;
const INTERVAL_MS = 10_000;

/**
 * Makes a throttle: called with what went wrong, it gives how often that went untold since it was
 * told last, or null where it was told less than `intervalMs` ago.
 */
export function createLogThrottle(
  nowMs: () => number,
  intervalMs: number = INTERVAL_MS,
): (fault: string) => number | null {
  const told = new Map<string, { atMs: number; untold: number }>();
  return (fault) => {
    const name = told.has(fault) || told.size < MAX_FAULTS ? fault : "";
    const now = nowMs();
    const last = told.get(name);
    if (last !== undefined && now - last.atMs < intervalMs) {
      last.untold += 1;
      return null;
    }
    told.set(name, { atMs: now, untold: 0 });
    return last?.untold ?? 0;
  };
}
