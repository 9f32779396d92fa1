/** From what the filter captured to what the exchange used. Pure, and sound for any input. */
import type { SettlementRecord } from "../contract/filter.ts";
import type { Ratios } from "../estimate/ratios.ts";
import { UNCHARGED_APIS } from "./api-routes.ts";
import { backgroundOf } from "./background.ts";
import { type Capture, readCapture } from "./capture.ts";
import { MODEL_FACTS, TIER_FACTS } from "./capture-pointers.ts";
import { estimateUsage } from "./estimate.ts";
import { inputTotal, noTokens, outputTotal, type Usage } from "./normal-form.ts";
import { providerOf } from "./provider.ts";
import { readUsage } from "./read-usage.ts";
import type { Reading } from "./reading.ts";

/** The reason of an exchange that was asked for and never let go: no provider had it. */
export const NOT_FORWARDED = "not_forwarded";
const FIRST_ERROR_STATUS = 400;
const OK_STATUSES = { from: 200, to: 299 };
/** Envoy's response code details of an answer that the upstream gave. */
const VIA_UPSTREAM = "via_upstream";
/** Those of the time limits that run while an upstream has the request. */
const TIMEOUTS: ReadonlySet<string> = new Set([
  "response_timeout",
  "upstream_response_timeout",
  "upstream_per_try_timeout",
  "upstream_per_try_idle_timeout",
  "upstream_max_stream_duration_reached",
  "stream_idle_timeout",
  "max_duration_timeout",
]);
/** How those begin of an answer that came and is no HTTP, or has more headers than Envoy takes. */
const UNREADABLE = "upstream_reset_before_response_started{protocol_error";

/**
 * Interprets one exchange. The usage is `reported` where the provider gave the last word,
 * `estimated` where something is missing or malformed (and then above 0), `none` where nothing is
 * charged; `reason` says why in the last two cases.
 */
export function interpretUsage(record: SettlementRecord, ratios: Ratios): Usage {
  const capture = readCapture(record);
  const requested = record.modelSent ?? record.llm.model;
  const model = capture.textFact(MODEL_FACTS) ?? decodedModel(requested);
  const blank = blankUsage(capture, model);
  const free = freeOfCharge(capture);
  if (free !== null) return { ...blank, reason: free };
  const lost = lostAnswer(capture);
  if (lost !== null) return estimated(blank, capture, null, ratios, lost);

  const life = backgroundOf(capture);
  const reading = readUsage(capture, blank.provider);
  if (record.status >= FIRST_ERROR_STATUS) {
    return ofAnError(blank, capture.usage.length > 0 ? reading : null);
  }
  const settleKey = life.background && life.id !== null ? { settleKey: life.id } : {};
  if (life.retrieval && life.background && !life.pending && failedAtOnce(capture, reading)) {
    return { ...blank, ...settleKey, reason: "error_in_body" };
  }
  if (life.retrieval && (!life.background || life.pending || !reading?.final)) {
    return { ...blank, reason: life.background ? "deferred" : "retrieved" };
  }
  if (life.background && life.pending && !reading?.final) {
    return { ...estimated(blank, capture, reading, ratios, "deferred"), ...settleKey };
  }
  if (reading?.final && !capture.usageLost) return { ...reported(blank, reading), ...settleKey };
  if (failedAtOnce(capture, reading)) return { ...blank, reason: "error_in_body" };
  if (reading === null && generatesNothing(capture)) {
    return { ...blank, reason: "uncharged_endpoint" };
  }
  return { ...estimated(blank, capture, reading, ratios, whyEstimated(capture)), ...settleKey };
}

/** A provider's error is charged what it says that it used: no word of it, or 0, is nothing. */
function ofAnError(blank: Usage, reading: Reading | null): Usage {
  const usage = reading?.final ? reported(blank, reading) : blank;
  const { tokens, otherUnits, extraLines, providerCostNanoUsd } = usage;
  const units = Object.keys(otherUnits).length + extraLines.length + (providerCostNanoUsd ?? 0);
  const isCharged = inputTotal(tokens) + outputTotal(tokens) + units > 0;
  return isCharged ? usage : { ...blank, reason: "error_status" };
}

/** An error before any output: the provider bills nothing for it. */
function failedAtOnce(capture: Capture, reading: Reading | null): boolean {
  return capture.failed && reading === null && capture.textBytes === 0;
}

/** OpenAI's moderation and its empty conversations are free; others' bill, and say their usage. */
function generatesNothing(capture: Capture): boolean {
  if (capture.record.outcome !== "ok" || capture.textBytes > 0) return false;
  return capture.api === "openai.moderations" || capture.fact("/object") === "conversation";
}

/** Why nothing is charged, whatever the body holds; null: it is to be looked at. */
function freeOfCharge(capture: Capture): string | null {
  const { record } = capture;
  const { status, details } = record;
  if (record.forwarded === false) return NOT_FORWARDED;
  if (UNCHARGED_APIS.has(capture.api)) return "uncharged_endpoint";
  if (isTimeout(record) || isUnreadable(record)) return null;
  if (status === 0) return record.outcome === "upstream_error" ? "no_response" : null;
  if (status < FIRST_ERROR_STATUS) {
    return status < OK_STATUSES.from || status > OK_STATUSES.to ? "no_answer" : null;
  }
  // The provider's own error may carry usage; one that the proxy gives in its place cannot.
  return details === undefined || details === VIA_UPSTREAM ? null : "error_status";
}

/** Why an exchange without the provider's answer is charged all the same; null: it has one. */
function lostAnswer({ record }: Capture): string | null {
  if (isTimeout(record) && (record.status === 0 || record.status >= FIRST_ERROR_STATUS)) {
    return "timed_out";
  }
  if (isUnreadable(record)) return "answer_unreadable";
  return record.status === 0 ? "no_response" : null;
}

/**
 * Envoy stopped waiting for an upstream that had the request: what runs there is billed. With no
 * connection, or one that was lost before an answer began, nothing is known to have run.
 */
function isTimeout({ details }: SettlementRecord): boolean {
  return details !== undefined && TIMEOUTS.has(details);
}

/** Who answers had the request, and may bill it, whatever Envoy makes of the answer. */
function isUnreadable({ details }: SettlementRecord): boolean {
  return details?.startsWith(UNREADABLE) ?? false;
}

function blankUsage(capture: Capture, model: string | null): Usage {
  return {
    tokens: noTokens(),
    otherUnits: {},
    model,
    provider: providerOf(capture, model),
    serviceTier: capture.textFact(TIER_FACTS),
    providerCostNanoUsd: null,
    extraLines: [],
    source: "none",
    reason: null,
  };
}

function reported(blank: Usage, reading: Reading): Usage {
  const { tokens, otherUnits, providerCostNanoUsd, extraLines, remark } = reading;
  return {
    ...blank,
    tokens,
    otherUnits,
    model: reading.model ?? blank.model,
    serviceTier: blank.serviceTier ?? reading.serviceTier,
    providerCostNanoUsd,
    extraLines,
    source: "reported",
    reason: remark,
  };
}

function estimated(
  blank: Usage,
  capture: Capture,
  reading: Reading | null,
  ratios: Ratios,
  reason: string,
): Usage {
  const { tokens, otherUnits } = estimateUsage(capture, reading, ratios, blank.model);
  return {
    ...blank,
    tokens,
    otherUnits,
    serviceTier: blank.serviceTier ?? reading?.serviceTier ?? null,
    extraLines: reading?.extraLines ?? [],
    source: "estimated",
    reason,
  };
}

function whyEstimated(capture: Capture): string {
  if (capture.usageLost) return "usage_too_long";
  if (capture.record.framing === "opaque") return "body_unreadable";
  if (capture.usage.length > 0) return "usage_incomplete";
  return capture.record.outcome === "ok" ? "usage_missing" : "cut_short";
}

/** A model's name as it was asked for: from a path it may be percent-encoded. */
export function decodedModel(model: string | null): string | null {
  if (model === null || model === "") return null;
  try {
    return decodeURIComponent(model);
  } catch {
    return model;
  }
}
