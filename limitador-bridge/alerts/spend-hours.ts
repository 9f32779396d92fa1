/** What every app spends hour by hour, and the hours that are out of the usual. No IO, no clock. */

import { keyPart } from "../budget/budget-key.ts";
import { isSpike, usualHourNanoUsd } from "../budget/forecast.ts";
import type { UsageRecord } from "../contract/usage-record.ts";
import { dropOldest } from "../drop-oldest.ts";
import { parseIsoTime } from "../iso-time.ts";
import { nanoUsdText } from "../nano-usd-text.ts";
import type { Alert } from "./alert.ts";

const HOUR_MS = 3_600_000;
/** A week, so that nights and weekends are part of what is usual. */
export const REMEMBERED_MS = 7 * 24 * HOUR_MS;
const MAX_APPS = 2000;

export interface SpendSpike {
  team: string | null;
  app: string | null;
  hourMs: number;
  spentNanoUsd: number;
  usualNanoUsd: number;
}

interface AppHours {
  /** nano-USD by start of the hour, ms since 1970, UTC. */
  byHour: Map<number, number>;
  /** The mean of the hours before `hourMs`. */
  usual: { hourMs: number; nanoUsd: number | null };
}

export class SpendHours {
  readonly #apps = new Map<string, AppHours>();

  /**
   * Adds a record's cost. Gives the app's hour back where it is more than three times the usual;
   * the same hour comes back with each of its records, so alerts are told apart by their key.
   */
  add({ team, app, time, costNanoUsd }: UsageRecord): SpendSpike | null {
    const timeMs = parseIsoTime(time);
    if (costNanoUsd === 0 || Number.isNaN(timeMs)) return null;
    const hourMs = timeMs - (timeMs % HOUR_MS);
    const hours = this.#hoursOf(JSON.stringify([team, app]));
    const spentNanoUsd = Math.min(
      (hours.byHour.get(hourMs) ?? 0) + costNanoUsd,
      Number.MAX_SAFE_INTEGER,
    );
    hours.byHour.set(hourMs, spentNanoUsd);
    const isLate = hourMs < hours.usual.hourMs;
    if (hourMs !== hours.usual.hourMs) {
      const newestMs = Math.max(hourMs, hours.usual.hourMs);
      hours.usual = { hourMs: newestMs, nanoUsd: usualBefore(hours.byHour, newestMs) };
    }
    const usualNanoUsd = hours.usual.nanoUsd;
    if (isLate || usualNanoUsd === null || !isSpike(spentNanoUsd, usualNanoUsd)) return null;
    return { team, app, hourMs, spentNanoUsd, usualNanoUsd };
  }

  #hoursOf(key: string): AppHours {
    const hours = this.#apps.get(key) ?? {
      byHour: new Map<number, number>(),
      usual: { hourMs: 0, nanoUsd: null },
    };
    // Set anew, so that the map stays in the order of use.
    this.#apps.delete(key);
    this.#apps.set(key, hours);
    dropOldest(this.#apps, MAX_APPS);
    return hours;
  }
}

/** The usual hour before `hourMs`; hours that are too long ago are forgotten. */
function usualBefore(byHour: Map<number, number>, hourMs: number): number | null {
  for (const known of byHour.keys()) {
    if (known < hourMs - REMEMBERED_MS) byHour.delete(known);
  }
  const past = [...byHour].flatMap(([known, spent]) => (known < hourMs ? [spent] : []));
  return usualHourNanoUsd(past);
}

/** What is told of a spike, once for each app and hour. */
export function spikeAlert(spike: SpendSpike, nowMs: number): Alert {
  const { team, app, hourMs, spentNanoUsd, usualNanoUsd } = spike;
  const hour = new Date(hourMs).toISOString();
  const who = `App ${app ?? "(unknown)"} of team ${team ?? "(unknown)"}`;
  const spent = `${nanoUsdText(spentNanoUsd)} USD in the hour from ${hour}`;
  return {
    key: `spike/${keyPart(team)}/${keyPart(app)}/${hour}`,
    name: "LLMAppSpendSpike",
    severity: "warning",
    summary: `${who} spent ${spent}, more than 3 times its usual ${nanoUsdText(usualNanoUsd)} USD.`,
    channel: null,
    startsAtMs: nowMs,
    endsAtMs: hourMs + 2 * HOUR_MS,
    labels: { team: team ?? "", app: app ?? "", hour },
    details: { hour, spentNanoUsd, usualNanoUsd },
  };
}
