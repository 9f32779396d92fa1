/** GET /v1/prices: the prices in force, their source and version. */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import type { Prices } from "../admission/ports.ts";

/** The catalogue has thousands of prices, and they change by the day at most. */
const MAX_AGE_MS = 60_000;

export interface PricesParts {
  prices: () => Prices;
  nowMs: () => number;
}

export function registerPrices(app: FastifyInstance, parts: PricesParts): void {
  let made: { of: Prices; atMs: number; body: string } | undefined;
  const schema = {
    summary: "The prices in force",
    response: { 200: Type.Record(Type.String(), Type.Unknown()) },
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
