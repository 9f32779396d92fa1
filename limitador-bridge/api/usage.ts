/** GET /v1/usage: usage records, newest first, as JSON or NDJSON. */
import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import type { Log } from "../admission/ports.ts";
import { UsageRecord } from "../contract/usage-record.ts";
import { ApiError } from "../errors.ts";
import type { RecordQuery, Store } from "../ledger/store/store.ts";
import type { Metrics } from "../metrics.ts";
import { dateOrTimeOfText } from "../reports/time-text.ts";
import { callStore } from "./store-call.ts";

const NDJSON = "application/x-ndjson";
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

const Query = Type.Object(
  {
    requestId: Type.Optional(Type.String()),
    user: Type.Optional(Type.String()),
    team: Type.Optional(Type.String()),
    app: Type.Optional(Type.String()),
    model: Type.Optional(Type.String()),
    since: Type.Optional(Type.String()),
    until: Type.Optional(Type.String()),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT })),
    cursor: Type.Optional(Type.String()),
    format: Type.Optional(Type.Union([Type.Literal("json"), Type.Literal("ndjson")])),
  },
  { additionalProperties: false },
);
type Query = Static<typeof Query>;
const Answer = Type.Object({
  records: Type.Array(UsageRecord),
  next: Type.Union([Type.String(), Type.Null()]),
});

/** With format=ndjson, or where `accept` asks for it. */
const Lines = Type.String({ description: "One usage record as JSON on each line." });

export interface UsageParts {
  store: Pick<Store, "records">;
  metrics: Metrics;
  log: Log;
}

export function registerUsage(app: FastifyInstance, parts: UsageParts): void {
  const schema = {
    summary: "Usage records, newest first; NDJSON where asked for, its cursor in x-next-cursor",
    querystring: Query,
    response: { 200: Answer },
  };
  const config = {
    otherTypes: { [NDJSON]: Lines },
    headers: { "x-next-cursor": "Of NDJSON: the cursor of the next page; not there on the last." },
  };
  app.get<{ Querystring: Query }>("/v1/usage", { schema, config }, async (request, reply) => {
    const { query } = request;
    const asked = toRecordQuery(query);
    const page = await callStore(parts, () => parts.store.records(asked));
    if (!wantsNdjson(query, request.headers.accept)) return page;
    if (page.next !== null) reply.header("x-next-cursor", page.next);
    const lines = page.records.map((record) => `${JSON.stringify(record)}\n`);
    return reply.type(NDJSON).send(lines.join(""));
  });
}

function wantsNdjson({ format }: Query, accept: string | undefined): boolean {
  if (format !== undefined) return format === "ndjson";
  return accept?.toLowerCase().includes(NDJSON) ?? false;
}

function toRecordQuery({ since, until, format: _format, limit, ...filters }: Query): RecordQuery {
  return {
    ...filters,
    limit: limit ?? DEFAULT_LIMIT,
    ...(since === undefined ? {} : { sinceMs: timeMs("since", since) }),
    ...(until === undefined ? {} : { untilMs: timeMs("until", until) }),
  };
}

function timeMs(name: string, text: string): number {
  const ms = dateOrTimeOfText(text);
  if (ms !== null && ms >= 0) return ms;
  throw new ApiError(
    "invalid_request",
    `querystring: ${name} must be a date or a time since 1970 as in RFC 3339, ` +
      "e.g. 2026-01-31T12:00:00Z",
  );
}
