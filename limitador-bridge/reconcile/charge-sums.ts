/**
 * What the record log charged to each counter in windows that still count: the other side of the
 * comparison with the ledger. Pure.
 */
import { parseCounterId } from "../ledger/counter.ts";
import { carryPercent, type Window, windowAt } from "../ledger/window.ts";
import type { LogEntry } from "./log-entry.ts";

/** Of one counter in one window. */
export interface WindowSum {
  counterId: string;
  startMs: number;
  sum: number;
}

interface Live extends WindowSum {
  /** From here on the window counts no more, also not as the one before. */
  overMs: number;
}

export class ChargeSums {
  readonly #live = new Map<string, Live>();
  #changed = new Set<string>();

  /** Adds an entry's charges; windows that are over at `nowMs` are passed over. */
  add({ charges }: Pick<LogEntry, "charges">, nowMs: number): void {
    for (const { counterId, startMs, amount, replaced } of charges) {
      const name = windowName(counterId, startMs);
      const known = this.#live.get(name);
      if (known === undefined) {
        const overMs = overAt(parseCounterId(counterId).window, startMs);
        if (overMs <= nowMs) continue;
        this.#live.set(name, { counterId, startMs, sum: amount - replaced, overMs });
      } else {
        known.sum += amount - replaced;
      }
      this.#changed.add(name);
    }
  }

  /** Sums that changed since the last call; 0 for those whose window is over, which are dropped. */
  takeChanged(nowMs: number): WindowSum[] {
    for (const [name, live] of this.#live) {
      if (live.overMs > nowMs) continue;
      this.#live.delete(name);
      this.#changed.add(name);
    }
    const changed = [...this.#changed].map((name) => {
      const { counterId, startMs } = parseWindowName(name);
      return { counterId, startMs, sum: this.#live.get(name)?.sum ?? 0 };
    });
    this.#changed = new Set();
    return changed;
  }

  /** The next takeChanged gives all. */
  markAllChanged(): void {
    this.#changed = new Set(this.#live.keys());
  }
}

/** `<start>\n<counter id>`, for a field of a hash. */
export function windowName(counterId: string, startMs: number): string {
  return `${startMs}\n${counterId}`;
}

export function parseWindowName(name: string): { counterId: string; startMs: number } {
  const line = name.indexOf("\n");
  return { counterId: name.slice(line + 1), startMs: Number(name.slice(0, line)) };
}

/** When a window of this start is out of view; some count on in the one that follows. */
export function overAt(window: Window, startMs: number): number {
  const { endMs } = windowAt(window, startMs);
  if (window.kind === "sliding") return endMs + window.lengthMs;
  return carryPercent(window) > 0 ? windowAt(window, endMs).endMs : endMs;
}
