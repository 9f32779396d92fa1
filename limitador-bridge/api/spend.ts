/** GET /v1/spend: chargeback, summed from the usage records, as JSON or CSV. */
import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import type { Log } from "../admission/ports.ts";
import { ApiError } from "../errors.ts";
import type { Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import { type Period, PeriodError, periodOf } from "../reports/period.ts";
import { recordsOf } from "../reports/read-records.ts";
import {
  GROUP_KEYS,
  type GroupKey,
  SpendTally,
  spendJson,
  TooManyGroupsError,
} from "../reports/spend.ts";
import { FOCUS_GROUPS, focusCsv, spendCsv } from "../reports/spend-csv.ts";
import { callStore } from "./store-call.ts";

const DEFAULT_GROUPS: readonly GroupKey[] = ["team", "app", "model"];
const CSV = "text/csv";
const CSV_TYPE = `${CSV}; charset=utf-8`;
/** Rows of an answer: about 50 MB as JSON. */
const MAX_GROUPS = 100_000;
/** Records read for one answer: minutes of work. */
const MAX_RECORDS = 20_000_000;

const Query = Type.Object(
  {
    /** A date or a time (RFC 3339), included; the start of the month of `to` where not given. */
    from: Type.Optional(Type.String()),
    /** Excluded; now where not given. */
    to: Type.Optional(Type.String()),
    /** In place of from and to, e.g. 2026-11. */
    month: Type.Optional(Type.String()),
    /** IANA time zone of the month, UTC where not given. */
    timeZone: Type.Optional(Type.String()),
    /** Names separated by commas. */
    groupBy: Type.Optional(Type.String()),
    format: Type.Optional(
      Type.Union([Type.Literal("json"), Type.Literal("csv"), Type.Literal("focus")]),
    ),
  },
  { additionalProperties: false },
);
type Query = Static<typeof Query>;

/** An integer; its digits as text where a JSON number would not be exact. */
const Exact = Type.Union([Type.Integer(), Type.String({ pattern: "^[0-9]+$" })]);
const Sums = {
  requests: Exact,
  denied: Exact,
  unpriced: Exact,
  tokens: Type.Object({
    input: Exact,
    output: Exact,
    cacheRead: Exact,
    cacheWrite: Exact,
    reasoning: Exact,
    total: Exact,
  }),
  costNanoUsd: Exact,
  costUsd: Type.String(),
};
const Group = Type.Union([Type.String(), Type.Null()]);
const Answer = Type.Object({
  from: Type.String(),
  to: Type.String(),
  groupBy: Type.Array(Type.String({ enum: GROUP_KEYS })),
  /** The most expensive first; each has the groups as members of their own. */
  rows: Type.Array(
    Type.Object({
      ...Object.fromEntries(GROUP_KEYS.map((name) => [name, Type.Optional(Group)])),
      ...Sums,
    }),
  ),
  total: Type.Object(Sums),
});

/** With format=csv, or where `accept` asks for it; with format=focus. */
const Table = Type.String({
  description: "The rows with a line of names: those of the groups and sums, or FOCUS columns.",
});

export interface SpendParts {
  store: Pick<Store, "records">;
  metrics: Metrics;
  log: Log;
  nowMs: () => number;
}

export function registerSpend(app: FastifyInstance, parts: SpendParts): void {
  const schema = {
    summary: "Spending by team, app, model and others; CSV or FOCUS columns where asked for",
    querystring: Query,
    response: { 200: Answer },
  };
  const route = { schema, config: { otherTypes: { [CSV]: Table } } };
  app.get<{ Querystring: Query }>("/v1/spend", route, async ({ query, headers }, reply) => {
    const period = asked(() => periodOf(query, parts.nowMs()));
    const format = query.format ?? (wantsCsv(headers.accept) ? "csv" : "json");
    const groupBy = groupsOf(query.groupBy, format === "focus");
    const tally = new SpendTally(groupBy, MAX_GROUPS);
    await addRecords(parts, period, tally, () => reply.raw.destroyed);
    const rows = tally.rows();
    if (format === "csv") return reply.type(CSV_TYPE).send(spendCsv(groupBy, rows));
    if (format === "focus") return reply.type(CSV_TYPE).send(focusCsv(rows, period));
    return {
      from: new Date(period.fromMs).toISOString(),
      to: new Date(period.toMs).toISOString(),
      groupBy,
      rows: rows.map((row) => ({ ...row.group, ...spendJson(row) })),
      total: spendJson(tally.total),
    };
  });
}

function wantsCsv(accept: string | undefined): boolean {
  return accept?.toLowerCase().includes(CSV) ?? false;
}

/** Adds up the period; ends early where nobody waits for the answer any more. */
async function addRecords(
  parts: SpendParts,
  period: Period,
  tally: SpendTally,
  isAbandoned: () => boolean,
): Promise<void> {
  const pages = recordsOf(parts.store, period);
  let read = 0;
  while (!isAbandoned()) {
    const { done, value } = await callStore(parts, () => pages.next());
    if (done === true) return;
    read += value.length;
    if (read > MAX_RECORDS) {
      throw new ApiError("invalid_request", `more than ${MAX_RECORDS} records: ask for less time`);
    }
    asked(() => {
      for (const record of value) tally.add(record);
    });
  }
}

function groupsOf(text: string | undefined, isFocus: boolean): GroupKey[] {
  const given = text === undefined || text === "" ? [] : text.split(",").map((name) => name.trim());
  for (const name of given) {
    if (GROUP_KEYS.includes(name as GroupKey)) continue;
    const expected = GROUP_KEYS.join(", ");
    throw new ApiError(
      "invalid_request",
      `querystring: groupBy: expected names of ${expected}, found "${name}"`,
    );
  }
  const preset = isFocus ? FOCUS_GROUPS : text === undefined ? DEFAULT_GROUPS : [];
  return [...new Set([...preset, ...(given as GroupKey[])])];
}

/** What is asked for and cannot be is the caller's mistake. */
function asked<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof PeriodError) {
      throw new ApiError("invalid_request", `querystring: ${error.message}`);
    }
    if (error instanceof TooManyGroupsError) {
      throw new ApiError("invalid_request", `the answer has ${error.message}: group by less`);
    }
    throw error;
  }
}
