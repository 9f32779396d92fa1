/**
 * LLMBudget (ai.systemhardening.com/v1) as published: team, monthlyBudgetUSD, alertThresholds,
 * modelLimits, defaultModel and costRouting; and the extensions, which are all optional.
 */
import Type, { type Static } from "typebox";
import { MAX_USD } from "../usd-amount.ts";
import { objectSchema, oneOf } from "./object-schema.ts";

const closed = { additionalProperties: false };

/** Stands for all who are not named: teams without a budget, apps, users. */
export const ANYONE = "*";
const MAX_PERCENT = 200;
export const USD_EXPECTED = `an amount from 0 to ${MAX_USD} USD with at most 9 decimals`;

const Usd = Type.Number({ minimum: 0, maximum: MAX_USD, errorMessage: USD_EXPECTED });
const named = (what: string) =>
  Type.String({ minLength: 1, maxLength: 253, errorMessage: `${what} of 1 to 253 characters` });
const Model = named("a model's name");
const Share = Type.Integer({ minimum: 0, maximum: 100, errorMessage: "an integer from 0 to 100" });
const Count = Type.Integer({ minimum: 1, maximum: 1_000_000_000 });

const Threshold = Type.Object(
  {
    percent: Type.Integer({ minimum: 1, maximum: MAX_PERCENT }),
    action: oneOf("alert", "alert_and_downgrade", "reject"),
    notifyChannel: Type.Optional(named("a channel")),
  },
  closed,
);

const ModelLimit = Type.Object(
  {
    modelPattern: named("a model's name or a pattern"),
    maxMonthlyUSD: Type.Optional(Usd),
    allowedApps: Type.Optional(Type.Array(named("an app's name"), { maxItems: 1000 })),
  },
  closed,
);

const CostRouting = Type.Object(
  {
    enabled: Type.Optional(Type.Boolean()),
    cheapModel: Type.Optional(Model),
    expensiveModel: Type.Optional(Model),
    complexityThreshold: Type.Optional(Count),
  },
  closed,
);

/** Ceilings by name; "*" is for each one that is not named. */
const Ceilings = Type.Record(Type.String(), Type.Object({ maxMonthlyUSD: Usd }, closed), {
  errorMessage: 'a map from names (or "*" for each other one) to {maxMonthlyUSD}',
});

const UnknownModel = Type.Union([oneOf("deny", "free"), Type.Object({ priceAs: Model }, closed)], {
  errorMessage: '"deny" or "free" or {priceAs: model}',
});

const Spec = Type.Object(
  {
    team: Type.Optional(named("a team's name")),
    monthlyBudgetUSD: Usd,
    alertThresholds: Type.Optional(Type.Array(Threshold, { maxItems: 50 })),
    modelLimits: Type.Optional(Type.Array(ModelLimit, { maxItems: 100 })),
    defaultModel: Type.Optional(Model),
    costRouting: Type.Optional(CostRouting),
    organization: Type.Optional(named("an organization's name")),
    apps: Type.Optional(Ceilings),
    users: Type.Optional(Ceilings),
    tasks: Type.Optional(Type.Object({ maxUSD: Usd }, closed)),
    timeZone: Type.Optional(
      Type.String({ errorMessage: 'an IANA time zone such as "Europe/Berlin"' }),
    ),
    overshootPercent: Type.Optional(Share),
    essentialApps: Type.Optional(Type.Array(named("an app's name"), { maxItems: 1000 })),
    emergencyBufferPercent: Type.Optional(Share),
    mode: Type.Optional(oneOf("enforce", "shadow")),
    failureMode: Type.Optional(oneOf("allow", "deny")),
    enforcement: Type.Optional(oneOf("lease", "ask")),
    unknownModel: Type.Optional(UnknownModel),
    reservation: Type.Optional(oneOf("worst-case", "expected", "none")),
    defaultMaxOutputTokens: Type.Optional(Count),
    capMaxOutputTokens: Type.Optional(Type.Boolean()),
    onExhausted: Type.Optional(oneOf("continue", "cut")),
    inputEstimate: Type.Optional(oneOf("bytes", "tokenizer")),
    contact: Type.Optional(named("a contact")),
    teamsWithoutBudget: Type.Optional(oneOf("budget", "allow", "deny")),
    unknownPayer: Type.Optional(oneOf("budget", "allow", "deny")),
  },
  closed,
);

export const API_VERSION = "ai.systemhardening.com/v1";
export const KIND = "LLMBudget";
export const LlmBudgetSchema = objectSchema(API_VERSION, KIND, Spec);

export type BudgetSpecText = Static<typeof Spec>;

/** What the budget of an organization may say; the rest is for teams. */
export const ORGANIZATION_FIELDS: readonly string[] = [
  "organization",
  "monthlyBudgetUSD",
  "alertThresholds",
  "timeZone",
  "overshootPercent",
  "mode",
  "failureMode",
  "enforcement",
  "contact",
];
/** What only the budget of all teams without their own may say. */
export const ANYONE_FIELDS = ["teamsWithoutBudget", "unknownPayer"] as const;
