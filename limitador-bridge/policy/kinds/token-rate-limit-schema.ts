/**
 * TokenRateLimitPolicy as Kuadrant publishes it (kuadrant.io/v1alpha1), and the extensions, which
 * are all optional. Kuadrant's reference: doc/reference/tokenratelimitpolicy.md of its operator.
 */
import Type, { type Static } from "typebox";
import { UNITS } from "../../ledger/store/store.ts";
import { DURATION_PATTERN } from "../window-text.ts";
import { Expression, objectSchema, oneOf } from "./object-schema.ts";

const closed = { additionalProperties: false };
const duration = Type.String({
  pattern: DURATION_PATTERN,
  errorMessage: 'a duration such as "24h", "1h30m" or "1d"',
});

/** Where `carryOver` is given elsewhere. */
const misplaced = {
  carryOver: "only a calendar window carries over, as window: {calendar: month, carryOver: 50}",
};

const Window = Type.Union(
  [
    duration,
    Type.Object(
      {
        calendar: oneOf("hour", "day", "week", "month"),
        timeZone: Type.Optional(
          Type.String({ errorMessage: 'an IANA time zone such as "Europe/Berlin"' }),
        ),
        carryOver: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: 100,
            errorMessage: "a percentage: an integer from 1 to 100",
          }),
        ),
      },
      closed,
    ),
    Type.Object({ sliding: duration }, { ...closed, misplaced }),
  ],
  {
    errorMessage:
      'a duration such as "24h", "1h30m" or "1d", or {calendar: day, timeZone: "…"}, ' +
      'or {sliding: "1h"}',
  },
);

/** An integer; for `unit: usd` a decimal amount. Which of them is told by the unit. */
const LimitAmount = Type.Union([Type.Number({ minimum: 0 }), Type.String({ minLength: 1 })], {
  errorMessage: "an integer of at least 0 (or, with unit: usd, an amount such as 12.50)",
});

const Rate = Type.Object(
  {
    limit: LimitAmount,
    window: Window,
    unit: Type.Optional(oneOf(...UNITS)),
  },
  { ...closed, misplaced },
);

const When = Type.Array(Type.Object({ predicate: Expression }, closed));
const Mode = oneOf("enforce", "shadow");
/** Whether the filter may decide from a lease, or has to ask for every request. */
const Enforcement = oneOf("lease", "ask");
const FailureMode = oneOf("allow", "deny");

/** What a limit in USD makes of a model without a price. */
const UnknownModel = Type.Union(
  [
    oneOf("deny", "free"),
    Type.Object({ priceAs: Type.String({ minLength: 1, maxLength: 253 }) }, closed),
  ],
  { errorMessage: '"deny" or "free" or {priceAs: model}' },
);

/** Kuadrant's own form of a reservation. */
const ReservedAmount = Type.Object(
  {
    amount: Type.Optional(
      Type.Union([Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), Expression], {
        errorMessage: "an integer of at least 0 or a CEL expression",
      }),
    ),
    ttl: Type.Optional(Expression),
  },
  closed,
);

const Limit = Type.Object(
  {
    rates: Type.Optional(Type.Array(Rate)),
    when: Type.Optional(When),
    counters: Type.Optional(Type.Array(Type.Object({ expression: Expression }, closed))),
    reservation: Type.Optional(
      Type.Union([oneOf("none", "worst-case"), ReservedAmount], {
        errorMessage: '"none" or "worst-case", or {amount, ttl}',
      }),
    ),
    mode: Type.Optional(Mode),
    enforcement: Type.Optional(Enforcement),
    onExhausted: Type.Optional(oneOf("continue", "cut")),
  },
  closed,
);

const Pointers = Type.Array(
  Type.String({
    pattern: "^(/([^~/]|~[01])*)+$",
    errorMessage: 'a JSON pointer such as "/usage/total_tokens"',
  }),
  { minItems: 1, maxItems: 8 },
);

/** Targets by name: an open map in Kuadrant, which itself reads `totalTokens` alone. */
const DataExtraction = Type.Object(
  { response: Type.Optional(Type.Record(Type.String(), Pointers)) },
  closed,
);

const rules = {
  limits: Type.Optional(
    Type.Record(Type.String(), Limit, { errorMessage: "a map of limits by name" }),
  ),
  when: Type.Optional(When),
  dataExtraction: Type.Optional(DataExtraction),
};

const MergeableRules = Type.Object(
  { strategy: Type.Optional(oneOf("atomic", "merge")), ...rules },
  closed,
);

const TargetRef = Type.Object(
  {
    group: oneOf("gateway.networking.k8s.io"),
    kind: oneOf("Gateway", "HTTPRoute"),
    name: Type.String({ minLength: 1, maxLength: 253, errorMessage: "the target's name" }),
    sectionName: Type.Optional(Type.String({ minLength: 1, maxLength: 253 })),
  },
  { ...closed, errorMessage: "a map {group, kind, name}" },
);

const Spec = Type.Object(
  {
    targetRef: TargetRef,
    ...rules,
    defaults: Type.Optional(MergeableRules),
    overrides: Type.Optional(MergeableRules),
    mode: Type.Optional(Mode),
    failureMode: Type.Optional(FailureMode),
    evaluationFailureMode: Type.Optional(FailureMode),
    enforcement: Type.Optional(Enforcement),
    unknownModel: Type.Optional(UnknownModel),
  },
  closed,
);

export const API_VERSION = "kuadrant.io/v1alpha1";
export const KIND = "TokenRateLimitPolicy";
export const TokenRateLimitPolicySchema = objectSchema(API_VERSION, KIND, Spec);

export type SpecText = Static<typeof Spec>;
export type RulesText = Static<typeof MergeableRules>;
export type LimitText = Static<typeof Limit>;
export type RateText = Static<typeof Rate>;
export type WindowText = Static<typeof Window>;
