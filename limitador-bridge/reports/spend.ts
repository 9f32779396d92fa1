/** What was spent, summed from usage records by the groups that one asks for. Pure. */
import type { UsageRecord } from "../contract/usage-record.ts";
import { jsonInteger, nanoUsdText } from "../nano-usd-text.ts";

/** Everything that spending can be grouped by, with where it stands in a record. */
const GROUP_VALUES = {
  team: (record) => record.team,
  app: (record) => record.app,
  user: (record) => record.user,
  task: (record) => record.task,
  model: (record) => record.model ?? record.requestedModel,
  provider: (record) => record.provider,
  api: (record) => record.api,
  source: (record) => record.source,
  outcome: (record) => record.outcome,
  /** UTC. */
  day: (record) => record.time.slice(0, 10),
} satisfies Record<string, (record: UsageRecord) => string | null>;

export type GroupKey = keyof typeof GROUP_VALUES;
export const GROUP_KEYS = Object.keys(GROUP_VALUES) as GroupKey[];

export const TOKEN_FIELDS = [
  "input",
  "output",
  "cacheRead",
  "cacheWrite",
  "reasoning",
  "total",
] as const;
export type TokenField = (typeof TOKEN_FIELDS)[number];

/** Sums over records, exact. */
export interface SpendSums {
  /** Records of requests that ran. */
  requests: bigint;
  /** Records of requests that were refused. */
  denied: bigint;
  /** Records whose cost is not known, and counts as nothing. */
  unpriced: bigint;
  tokens: Record<TokenField, bigint>;
  costNanoUsd: bigint;
}

export interface SpendRow extends SpendSums {
  group: Partial<Record<GroupKey, string | null>>;
}

/** More groups than a tally may have. */
export class TooManyGroupsError extends Error {}

/** Adds up records; its memory grows with the number of groups, never with that of records. */
export class SpendTally {
  readonly total: SpendSums = noSums();
  readonly #groupBy: readonly GroupKey[];
  readonly #maxGroups: number;
  readonly #rows = new Map<string, SpendRow>();

  constructor(groupBy: readonly GroupKey[], maxGroups: number) {
    this.#groupBy = groupBy;
    this.#maxGroups = maxGroups;
  }

  /** @throws TooManyGroupsError */
  add(record: UsageRecord): void {
    addTo(this.#rowOf(record), record);
    addTo(this.total, record);
  }

  /** The most expensive first, then by the values of the groups. */
  rows(): SpendRow[] {
    return [...this.#rows.entries()]
      .sort(([keyA, a], [keyB, b]) => {
        if (a.costNanoUsd !== b.costNanoUsd) return a.costNanoUsd > b.costNanoUsd ? -1 : 1;
        return keyA < keyB ? -1 : 1;
      })
      .map(([, row]) => row);
  }

  #rowOf(record: UsageRecord): SpendRow {
    const values = this.#groupBy.map((name) => GROUP_VALUES[name](record));
    const key = JSON.stringify(values);
    let row = this.#rows.get(key);
    if (row === undefined) {
      if (this.#rows.size >= this.#maxGroups) {
        throw new TooManyGroupsError(`more than ${this.#maxGroups} groups`);
      }
      const group = Object.fromEntries(this.#groupBy.map((name, i) => [name, values[i] ?? null]));
      row = { group, ...noSums() };
      this.#rows.set(key, row);
    }
    return row;
  }
}

function noSums(): SpendSums {
  return {
    requests: 0n,
    denied: 0n,
    unpriced: 0n,
    tokens: { input: 0n, output: 0n, cacheRead: 0n, cacheWrite: 0n, reasoning: 0n, total: 0n },
    costNanoUsd: 0n,
  };
}

function addTo(sums: SpendSums, record: UsageRecord): void {
  if (record.outcome === "denied") sums.denied++;
  else sums.requests++;
  if (!record.priced) sums.unpriced++;
  for (const field of TOKEN_FIELDS) sums.tokens[field] += BigInt(record.tokens[field]);
  sums.costNanoUsd += BigInt(record.costNanoUsd);
}

/** Sums as the API answers them. */
export interface SpendJson {
  requests: number | string;
  denied: number | string;
  unpriced: number | string;
  tokens: Record<TokenField, number | string>;
  costNanoUsd: number | string;
  /** Exact decimal. */
  costUsd: string;
}

/** Sums for JSON; integers beyond 2^53 − 1 are text. */
export function spendJson(sums: SpendSums): SpendJson {
  const tokens = Object.fromEntries(
    TOKEN_FIELDS.map((field) => [field, jsonInteger(sums.tokens[field])]),
  ) as Record<TokenField, number | string>;
  return {
    requests: jsonInteger(sums.requests),
    denied: jsonInteger(sums.denied),
    unpriced: jsonInteger(sums.unpriced),
    tokens,
    costNanoUsd: jsonInteger(sums.costNanoUsd),
    costUsd: nanoUsdText(sums.costNanoUsd),
  };
}
