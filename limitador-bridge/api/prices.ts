/** GET /v1/prices: the prices in force, their source and version. */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import type { Prices } from "../admission/ports.ts";
import { RATE_KEYS } from "../pricing/entry.ts";
import { Problem } from "./policies.ts";

/** The catalogue has thousands of prices, and they change by the day at most. */
const MAX_AGE_MS = 60_000;

const Usd = Type.String({
  pattern: "^[0-9]+(\\.[0-9]{1,9})?$",
  description: "USD as a decimal",
});
const Rates = Type.Partial(Type.Object(Object.fromEntries(RATE_KEYS.map((key) => [key, Usd]))));
const Price = Type.Object({
  match: Type.String({ description: "a model, or a glob" }),
  provider: Type.Union([Type.String(), Type.Null()]),
  perMillionTokensUSD: Rates,
  /** Of the whole request, where its input is above so many tokens. */
  contextTiers: Type.Array(
    Type.Object({ aboveTokens: Type.Integer({ minimum: 0 }), perMillionTokensUSD: Rates }),
  ),
  perUnitUSD: Type.Record(
    Type.String(),
    Type.String({ description: 'USD as a decimal, or as "decimal / number of units"' }),
  ),
  serviceTiers: Type.Record(
    Type.String(),
    Type.String({ description: "factor on the price of tokens" }),
  ),
  maxOutputTokens: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  source: Type.Union([Type.String(), Type.Null()]),
  asOf: Type.Union([Type.String(), Type.Null()]),
});
/** A PriceTable, with what is wrong with its newest version. */
const Table = Type.Object({
  name: Type.String(),
  file: Type.String(),
  from: Type.Union([Type.Literal("POLICIES"), Type.Literal("PRICES")]),
  accepted: Type.Boolean(),
  inForce: Type.Boolean(),
  problems: Type.Array(Problem),
});
const Answer = Type.Object({
  /** Changes whenever a price changes. */
  version: Type.String(),
  catalogue: Type.Object({ name: Type.String(), version: Type.String() }),
  tables: Type.Array(Table),
  prices: Type.Array(Price),
});

export interface PricesParts {
  prices: () => Prices;
  nowMs: () => number;
}

export function registerPrices(app: FastifyInstance, parts: PricesParts): void {
  let made: { of: Prices; atMs: number; body: string } | undefined;
  const schema = {
    summary: "The prices in force",
    response: { 200: Answer },
  };
  app.get("/v1/prices", { schema }, async (_, reply) => {
    const prices = parts.prices();
    const nowMs = parts.nowMs();
    if (made?.of !== prices || nowMs - made.atMs > MAX_AGE_MS) {
      made = { of: prices, atMs: nowMs, body: JSON.stringify(prices.describe(nowMs)) };
    }
    return reply.type("application/json").send(made.body);
  });
}
