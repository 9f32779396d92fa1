/** From what the filter captured to what the exchange used. Pure, and sound for any input. */
import type { SettlementRecord } from "../contract/filter.ts";
import type { Ratios } from "../estimate/ratios.ts";
import { UNCHARGED_APIS } from "./api-routes.ts";
import { backgroundOf } from "./background.ts";
import { type Capture, readCapture } from "./capture.ts";
import { MODEL_FACTS, TIER_FACTS } from "./capture-pointers.ts";
import { estimateUsage } from "./estimate.ts";
import { noTokens, type Usage } from "./normal-form.ts";
import { providerOf } from "./provider.ts";
import { readUsage } from "./read-usage.ts";
import type { Reading } from "./reading.ts";

const FIRST_ERROR_STATUS = 400;
const OK_STATUSES = { from: 200, to: 299 };

/**
 * Interprets one exchange. The usage is `reported` where the provider gave the last word,
 * `estimated` where something is missing or malformed (and then above 0), `none` where nothing is
 * charged; `reason` says why in the last two cases.
 */
export function interpretUsage(record: SettlementRecord, ratios: Ratios): Usage {
  const capture = readCapture(record);
  const requested = record.modelSent ?? record.llm.model;
  const model = capture.textFact(MODEL_FACTS) ?? decoded(requested);
  const blank = blankUsage(capture, model);
  const free = freeOfCharge(capture);
  if (free !== null) return { ...blank, reason: free };
  if (record.status === 0) return estimated(blank, capture, null, ratios, "no_response");

  const life = backgroundOf(capture);
  const reading = readUsage(capture, blank.provider);
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
  if (reading?.final) return { ...reported(blank, reading), ...settleKey };
  if (failedAtOnce(capture, reading)) return { ...blank, reason: "error_in_body" };
  return { ...estimated(blank, capture, reading, ratios, whyEstimated(capture)), ...settleKey };
}

/** An error before any output: the provider bills nothing for it. */
function failedAtOnce(capture: Capture, reading: Reading | null): boolean {
  return capture.failed && reading === null && capture.textBytes === 0;
}

/** Why nothing is charged, whatever the body holds; null: it is to be looked at. */
function freeOfCharge(capture: Capture): string | null {
  const { record } = capture;
  const { status } = record;
  if (record.forwarded === false) return "not_forwarded";
  if (UNCHARGED_APIS.has(capture.api)) return "uncharged_endpoint";
  if (status >= FIRST_ERROR_STATUS) return "error_status";
  if (status === 0) return record.outcome === "upstream_error" ? "no_response" : null;
  return status < OK_STATUSES.from || status > OK_STATUSES.to ? "no_answer" : null;
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
  const { tokens, otherUnits, providerCostNanoUsd, extraLines } = reading;
  return {
    ...blank,
    tokens,
    otherUnits,
    model: reading.model ?? blank.model,
    serviceTier: blank.serviceTier ?? reading.serviceTier,
    providerCostNanoUsd,
    extraLines,
    source: "reported",
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
  if (capture.record.framing === "opaque") return "body_unreadable";
  if (capture.usage.length > 0) return "usage_incomplete";
  return capture.record.outcome === "ok" ? "usage_missing" : "cut_short";
}

/** A model from a path may be percent-encoded. */
function decoded(model: string | null): string | null {
  if (model === null || model === "") return null;
  try {
    return decodeURIComponent(model);
  } catch {
    return model;
  }
}
