/**
 * The contract between the filter and the service: the one schema that the service validates
 * with and that the tests of both sides read. JSON over HTTP; times in ms, sizes in bytes.
 */
import Type, { type Static, type TSchema } from "typebox";

const Text = Type.String();
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Any keys. A Type.Record matches each with an expression, and lets one with a line end by. */
const mapOf = <T extends TSchema>(value: T) =>
  Type.Unsafe<Record<string, Static<T>>>(Type.Object({}, { additionalProperties: value }));
const AnyMap = Type.Unsafe<Record<string, unknown>>(Type.Object({}));
const HeaderMap = mapOf(Type.String());

/**
 * What Envoy knows of a request. Keys are either nested (`{"request":{"path":…}}`) or dotted
 * (`"request.path"`), values plain JSON. `metadata` is `{namespace: value}` of dynamic metadata.
 */
export const Attributes = AnyMap;

/** What the filter read in the request body. null: not told by the client. */
export const LlmRequest = Type.Object({
  api: Type.Union([Text, Type.Null()]),
  model: Type.Union([Text, Type.Null()]),
  stream: Type.Boolean(),
  maxOutputTokens: Type.Union([Count, Type.Null()]),
  choices: Count,
  inputBytes: Count,
  /** Raw values at the pointers that policies read with requestBodyJSON, by pointer. */
  body: Type.Optional(AnyMap),
  /**
   * false: the body is not one JSON object (but a form, say), and the filter cannot put another
   * model or output limit into it. Not given: it can.
   */
  rewritable: Type.Optional(Type.Boolean()),
});

export const AdmitRequest = Type.Object({
  /** Unique for ever; made by the filter, so that no client can make two requests look like one. */
  id: Type.String({ minLength: 1, maxLength: 128 }),
  /**
   * x-request-id, for people to correlate. It stands beside the attributes since it differs for
   * each request, and requests share a lease whose attributes are the same.
   */
  requestId: Type.Optional(Text),
  attributes: Attributes,
  llm: LlmRequest,
  /**
   * Asks for a lease only, for requests like this one: nothing is held for this request. Names the
   * lease that is nearly used up.
   */
  renew: Type.Optional(Text),
});

export const MAX_ASKS = 100;

/** Asks that came while the worker had calls under way; answered in the same order. */
export const AdmitBatch = Type.Object({
  requests: Type.Array(AdmitRequest, { minItems: 1, maxItems: MAX_ASKS }),
});

const Deny = Type.Object({
  status: Type.Integer({ minimum: 400, maximum: 599 }),
  headers: HeaderMap,
  body: Text,
});

/**
 * Leave to admit requests without asking. Each holds one part of what the ledger has reserved for
 * the lease. It is for requests whose attributes and `llm` are the same as the asking one's, but
 * for `inputBytes` and `maxOutputTokens`, which have bounds. The answer that brings a lease is,
 * headers and model, also that to each request under it.
 */
const Lease = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 160 }),
  /** How many requests it is for. */
  parts: Type.Integer({ minimum: 1, maximum: 100_000 }),
  /** From when the answer is read. */
  validMs: Type.Integer({ minimum: 1, maximum: 60_000 }),
  maxInputBytes: Count,
  /** Largest that a request may tell; null: it is for requests that tell none, and only those. */
  maxOutputTokens: Type.Union([Count, Type.Null()]),
});

/** Where a stream is ended, as if the model had come to its output limit. */
const Cut = Type.Object({
  /** Bytes of output text (as in `outputBytes`) that may pass. */
  afterOutputBytes: Count,
  /** What the client gets then, in the API's own framing, instead of all that follows. */
  closing: Text,
});

export const AdmitAnswer = Type.Object({
  verdict: Type.Union([Type.Literal("allow"), Type.Literal("deny")]),
  reservation: Type.Union([Text, Type.Null()]),
  model: Type.Optional(Text),
  maxOutputTokens: Type.Optional(Count),
  requestHeaders: HeaderMap,
  responseHeaders: HeaderMap,
  deny: Type.Optional(Deny),
  lease: Type.Optional(Lease),
  cut: Type.Optional(Cut),
});

/** What became of one ask of a batch that could not be decided on: as if it had not been sent. */
const AdmitFailure = Type.Object({
  error: Type.Object({ code: Text, message: Text }),
});

export const AdmitAnswers = Type.Object({
  answers: Type.Array(Type.Union([AdmitAnswer, AdmitFailure])),
});

const Outcome = Type.Union([
  Type.Literal("ok"),
  Type.Literal("client_disconnect"),
  Type.Literal("upstream_error"),
  Type.Literal("truncated"),
]);

export const SettlementRecord = Type.Object({
  /** The id of the admit call, also where that call never reached the service. */
  id: Type.String({ minLength: 1, maxLength: 128 }),
  /** What admit answered; null where the filter passed the request on without an answer. */
  reservation: Type.Union([Text, Type.Null()]),
  /** The lease that the request was admitted under; it takes the place of one of its parts. */
  lease: Type.Optional(Text),
  /** x-request-id, for people to correlate. Never used as a key. */
  requestId: Type.Optional(Text),
  /** Start of the request, ms since 1970, by Envoy's clock. */
  timeMs: Count,
  durationMs: Count,
  attributes: Attributes,
  llm: LlmRequest,
  /** The model that the filter sent upstream, where it is not the one asked for. */
  modelSent: Type.Optional(Text),
  /** false: the request was never let go to the upstream, so it cannot have cost anything. */
  forwarded: Type.Optional(Type.Boolean()),
  /** Envoy's response.code_details, e.g. via_upstream, upstream_response_timeout. */
  details: Type.Optional(Text),
  /** HTTP status that the client saw; 0 where no response began. */
  status: Type.Integer({ minimum: 0, maximum: 999 }),
  outcome: Outcome,
  /** How the response body was framed; "opaque": it could not be read (encoded, or not text). */
  framing: Type.Union([
    Type.Literal("none"),
    Type.Literal("json"),
    Type.Literal("sse"),
    Type.Literal("eventstream"),
    Type.Literal("opaque"),
  ]),
  /**
   * Raw usage objects in the order seen: of each pointer the first two and the last two; of one
   * with a `*`, where no object repeats another, the first two and the last 253. `true` stands for
   * one that is too long to be kept (over 16 KiB).
   */
  usage: Type.Array(Type.Unknown()),
  /** usagePointers[i] is the JSON pointer at which usage[i] stood. */
  usagePointers: Type.Optional(Type.Array(Text)),
  /** Last raw scalar seen at each fact pointer; `true` stands for one of more than 512 bytes. */
  facts: Type.Optional(AnyMap),
  /** Bytes (UTF-8, JSON escapes decoded) of the output text seen, by text pointer. */
  text: Type.Optional(mapOf(Count)),
  /** Response headers named in the filter config. */
  responseHeaders: Type.Optional(HeaderMap),
  /** Sum of `text`. */
  outputBytes: Count,
  /** All bytes of the response body. */
  responseBytes: Type.Optional(Count),
  /** SSE or event-stream events, or JSON documents, that were complete. */
  events: Type.Optional(Count),
  /** True when the stream's own end marker was seen (`data: [DONE]`). */
  done: Type.Optional(Type.Boolean()),
  /** The body ends within a document or an event: what that says of the end is not all it says. */
  unfinished: Type.Optional(Type.Boolean()),
});

/** A lease that admits no more. Told after the records of the batch that it comes with. */
export const LeaseReturn = Type.Object({
  id: Text,
  /** Requests under it that are not settled yet, nor in this batch. */
  inFlight: Count,
});

export const SettleRequest = Type.Object({
  records: Type.Array(SettlementRecord, { maxItems: 1000 }),
  leases: Type.Optional(Type.Array(LeaseReturn, { maxItems: 10_000 })),
});
export const SettleAnswer = Type.Object({ accepted: Count, duplicate: Count });

/** One LLM API, told by the end of the path. First match in the list wins. */
const ApiRoute = Type.Object({
  api: Text,
  /**
   * Suffix of the path (query removed), beginning with "/". `{model}` stands for one or more
   * characters that are not "/", and gives the model; `*` the same without giving anything.
   */
  path: Type.String({ pattern: "^/" }),
  /** Key into `errors`. */
  errorShape: Text,
  /** Ask for the usage chunk of a stream where the client did not. */
  includeUsage: Type.Boolean(),
  /**
   * Beginnings of the names of models for which that is not asked: whoever serves them refuses to
   * be asked, and tells the usage all the same.
   */
  includeUsageExcept: Type.Optional(Type.Array(Text)),
  /** JSON pointer where a request that tells no output limit is given one; not given: nowhere. */
  maxOutputPointer: Type.Optional(Text),
  /**
   * Of `request.maxOutputTokens` those that this API takes, one bit for each by its place; what
   * stands at the others is no limit. Not given: all.
   */
  outputLimits: Type.Optional(Type.Integer({ minimum: 0, maximum: 0x7fffffff })),
  /** HTTP method, POST unless told; other methods on the path are not metered. */
  method: Type.Optional(Text),
  /** Where `stream` is told by the path and not by the body. */
  stream: Type.Optional(Type.Boolean()),
});

const PropertyType = Type.Union([
  Type.Literal("string"),
  Type.Literal("int"),
  Type.Literal("bool"),
  Type.Literal("timestamp"),
]);

export const FilterConfig = Type.Object({
  /** Changes whenever anything below changes; also the ETag. */
  version: Text,
  /** What the filter does with a metered request when the service cannot be asked. */
  failureMode: Type.Union([Type.Literal("allow"), Type.Literal("deny")]),
  /** How long the filter waits for an answer to /v1/admit. */
  admitTimeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 60_000 })),
  apis: Type.Array(ApiRoute),
  /** Meter a POST with a JSON body on any other path when its body looks like an LLM request. */
  sniff: Type.Boolean(),
  attributes: Type.Object({
    /** Request header names, lower case; ["*"]: all. */
    headers: Type.Array(Text),
    /** Envoy properties by dotted path, e.g. source.address. */
    properties: Type.Array(Type.Object({ name: Text, type: PropertyType })),
    /** Dynamic metadata: namespace, then keys; the subtree there is sent. */
    metadata: Type.Array(Type.Array(Text, { minItems: 1 })),
  }),
  /**
   * JSON pointers into the request body. A list is tried in order, the first present wins; of
   * `maxOutputTokens` and `choices` the largest counts, and a limit that is no number is none.
   */
  request: Type.Object({
    model: Type.Array(Text),
    stream: Type.Array(Text),
    maxOutputTokens: Type.Array(Text),
    choices: Type.Array(Text),
    /** A body with a model and any of these is an LLM request (sniff). */
    prompt: Type.Array(Text),
    /** Sent in llm.body. */
    body: Type.Array(Text),
  }),
  /** JSON pointers into response documents; `*` stands for any array index. */
  response: Type.Object({
    usage: Type.Array(Text),
    facts: Type.Array(Text),
    text: Type.Array(Text),
    /** Strings that hold a base64 JSON document of their own (Bedrock). */
    base64: Type.Array(Text),
    headers: Type.Array(Text),
  }),
  /** Error bodies by shape; $status, $message, $type and $code stand for JSON-escaped text. */
  errors: mapOf(Text),
  /** $type of the errors that the filter gives itself: by shape, then by status (413, 503). */
  errorTypes: mapOf(mapOf(Text)),
});

export type AdmitRequest = Static<typeof AdmitRequest>;
export type AdmitAnswers = Static<typeof AdmitAnswers>;
export type AdmitFailure = Static<typeof AdmitFailure>;
export type AdmitBatch = Static<typeof AdmitBatch>;
export type Lease = Static<typeof Lease>;
export type LeaseReturn = Static<typeof LeaseReturn>;
export type Cut = Static<typeof Cut>;
export type AdmitAnswer = Static<typeof AdmitAnswer>;
export type LlmRequest = Static<typeof LlmRequest>;
export type Outcome = Static<typeof Outcome>;
export type SettlementRecord = Static<typeof SettlementRecord>;
export type SettleRequest = Static<typeof SettleRequest>;
export type SettleAnswer = Static<typeof SettleAnswer>;
export type ApiRoute = Static<typeof ApiRoute>;
export type FilterConfig = Static<typeof FilterConfig>;
