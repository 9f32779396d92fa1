/**
 * The JSON schema of a PriceTable, for editors. What the service takes is told by price-table.ts,
 * which also knows what a schema cannot say: order, duplicates, dates that do not exist.
 */
import Type from "typebox";
import { objectSchema } from "../policy/kinds/object-schema.ts";
import { RATE_KEYS } from "./entry.ts";

const closed = { additionalProperties: false };
const Text = Type.String({ minLength: 1 });
const DECIMAL = "^\\d{1,40}(\\.\\d{1,40})?([eE][+-]?\\d{1,3})?$";

/** A number as YAML has it, or as text. */
const decimal = (description: string, maximum: number) =>
  Type.Union([Type.Number({ minimum: 0, maximum }), Type.String({ pattern: DECIMAL })], {
    description,
  });
const Price = decimal("USD, at most 9 decimals", 1_000_000);
const Factor = decimal("A factor, at most 9 decimals", 1000);
const tokens = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const Time = Type.String({
  description: "A date (UTC), or a time with its zone",
  pattern: "^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,3})?)?(Z|[+-]\\d{2}:\\d{2}))?$",
});

const OptionalRates = Object.fromEntries(RATE_KEYS.map((key) => [key, Type.Optional(Price)]));
const Rates = Type.Object({ ...OptionalRates, input: Price }, closed);
const TierRates = Type.Object(OptionalRates, closed);

const Model = Type.Object(
  {
    match: Type.String({ minLength: 1, description: "Glob over model names: `*` is any text" }),
    provider: Type.Optional(Text),
    perMillionTokensUSD: Type.Optional(Rates),
    contextTiers: Type.Optional(
      Type.Array(
        Type.Object({ aboveTokens: tokens, perMillionTokensUSD: Type.Optional(TierRates) }, closed),
        { minItems: 1 },
      ),
    ),
    serviceTiers: Type.Optional(Type.Record(Type.String(), Factor)),
    perUnitUSD: Type.Optional(Type.Record(Type.String(), Price)),
    validFrom: Type.Optional(Time),
    validUntil: Type.Optional(Time),
    maxOutputTokens: Type.Optional(tokens),
    source: Type.Optional(Text),
    asOf: Type.Optional(Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}$" })),
  },
  {
    ...closed,
    anyOf: [
      { required: ["perMillionTokensUSD"] },
      { required: ["perUnitUSD"] },
      { required: ["maxOutputTokens"] },
    ],
  },
);

export const PriceTableSchema = objectSchema(
  "tollgate.dev/v1alpha1",
  "PriceTable",
  Type.Object({ models: Type.Array(Model, { minItems: 1 }) }, closed),
);
