/**
 * A usage record: what one exchange cost, for ever. The same object is stored, paged out by
 * /v1/usage and summed by reports.
 */
import Type, { type Static } from "typebox";

const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** `input` includes cached tokens and cache writes, `output` includes reasoning. */
const RecordTokens = Type.Object({
  input: Count,
  output: Count,
  cacheRead: Count,
  cacheWrite: Count,
  reasoning: Count,
  total: Count,
});

export const UsageRecord = Type.Object({
  id: Type.String(),
  /** ISO 8601, start of the request. */
  time: Type.String(),
  requestId: Nullable(Type.String()),
  api: Nullable(Type.String()),
  provider: Nullable(Type.String()),
  requestedModel: Nullable(Type.String()),
  model: Nullable(Type.String()),
  team: Nullable(Type.String()),
  app: Nullable(Type.String()),
  user: Nullable(Type.String()),
  task: Nullable(Type.String()),
  tokens: RecordTokens,
  /** Tokens by kind as priced, only kinds above zero (see usage/normal-form.ts). */
  detail: Type.Optional(Type.Record(Type.String(), Count)),
  /** What is billed in other units: web searches, seconds, images, rerank searches. */
  otherUnits: Type.Optional(Type.Record(Type.String(), Type.Number())),
  /** nano-USD, rounded up once per request. */
  costNanoUsd: Count,
  /** false where something that was used has no price, so that costNanoUsd says too little. */
  priced: Type.Boolean(),
  /** The model whose price was taken, where a policy says so of models without one. */
  pricedAs: Type.Optional(Type.String()),
  /** What the provider itself said that it cost. */
  providerCostNanoUsd: Type.Optional(Count),
  source: Type.Union([Type.Literal("reported"), Type.Literal("estimated")]),
  outcome: Type.Union([
    Type.Literal("ok"),
    Type.Literal("client_disconnect"),
    Type.Literal("upstream_error"),
    Type.Literal("truncated"),
    Type.Literal("denied"),
  ]),
  status: Type.Integer(),
  durationMs: Type.Optional(Count),
  serviceTier: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
});
export type UsageRecord = Static<typeof UsageRecord>;
export type RecordTokens = Static<typeof RecordTokens>;
