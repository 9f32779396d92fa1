/** Checks what comes into the ledger from outside, before anything is changed. Pure. */
import type { UsageRecord } from "../contract/usage-record.ts";
import { parseIsoTime } from "../iso-time.ts";
import { type LimitClaim, type ReserveRequest, type Settlement, UNITS } from "./store/store.ts";
import { invalidInput } from "./store/store-error.ts";
import { assertWindow } from "./window.ts";

/** Of one option. */
const maxClaims = 256;
const maxOptions = 8;
const maxKeyLength = 65_536;
export const maxHoldMs = 7 * 86_400_000;
const maxParts = 100_000;
const maxIdLength = 512;

/** @throws StoreError invalid_input naming the field that is wrong. */
export function checkReserve(request: ReserveRequest): void {
  checkId(request.id);
  checkClaims(request.claims);
  const { alternatives = [] } = request;
  if (alternatives.length >= maxOptions) throw invalidInput(`options: more than ${maxOptions}`);
  alternatives.forEach(checkClaims);
  checkAmount("holdMs", request.holdMs);
  if (request.holdMs < 1 || request.holdMs > maxHoldMs) {
    throw invalidInput(`holdMs ${request.holdMs}: expected 1 to ${maxHoldMs}`);
  }
  if (request.parts !== undefined) checkLease(request.parts, [request.claims, ...alternatives]);
  recordTimeMs(request.expiryRecord);
}

function checkLease(parts: number, options: LimitClaim[][]): void {
  if (parts === 0) throw invalidInput(`parts 0: expected 1 to ${maxParts}`);
  checkParts(parts);
  for (const { reserve } of options.flat()) {
    if (Number.isSafeInteger(parts * reserve)) continue;
    throw invalidInput(`claim reserve ${reserve} for ${parts} parts: expected at most 2^53 - 1`);
  }
}

/**
 * Checks how many parts a lease is left with.
 * @throws StoreError invalid_input.
 */
export function checkParts(parts: number): void {
  if (Number.isInteger(parts) && parts >= 0 && parts <= maxParts) return;
  throw invalidInput(`parts ${parts}: expected an integer up to ${maxParts}`);
}

/** @throws StoreError invalid_input naming the field that is wrong. */
export function checkSettlement(settlement: Settlement): void {
  checkId(settlement.id);
  if (settlement.lease !== undefined) checkId(settlement.lease);
  for (const unit of UNITS) checkAmount(`amounts.${unit}`, settlement.amounts[unit]);
  checkClaims(settlement.claims);
  recordTimeMs(settlement.record);
}

/**
 * When a record's request began, in ms since 1970.
 * @throws StoreError invalid_input where id or time cannot be read.
 */
export function recordTimeMs(record: UsageRecord): number {
  checkId(record.id);
  const timeMs = parseIsoTime(record.time);
  if (!Number.isSafeInteger(timeMs) || timeMs < 0) {
    throw invalidInput(`record ${record.id}: time ${JSON.stringify(record.time)} is not ISO 8601`);
  }
  return timeMs;
}

/** @throws StoreError invalid_input. */
export function checkId(id: string): void {
  if (typeof id !== "string" || id.length === 0 || id.length > maxIdLength) {
    throw invalidInput(`id: expected 1 to ${maxIdLength} characters`);
  }
  if (!id.isWellFormed()) throw invalidInput("id: expected well-formed Unicode");
}

function checkClaims(claims: LimitClaim[]): void {
  if (claims.length > maxClaims) throw invalidInput(`claims: more than ${maxClaims}`);
  for (const claim of claims) {
    if (claim.key.length === 0 || claim.key.length > maxKeyLength) {
      throw invalidInput(`claim key: expected 1 to ${maxKeyLength} characters`);
    }
    if (!UNITS.includes(claim.unit)) throw invalidInput(`claim unit ${String(claim.unit)}`);
    checkAmount("claim limit", claim.limit);
    checkAmount("claim reserve", claim.reserve);
    checkAmount("claim onExpiry", claim.onExpiry);
    checkAmount("claim allowance", claim.allowance ?? 0);
    checkAmount("claim below", claim.below ?? 0);
    checkAmount("claim from", claim.from ?? 0);
    assertWindow(claim.window);
  }
}

function checkAmount(name: string, amount: number): void {
  if (!Number.isSafeInteger(amount) || amount < 0) {
    throw invalidInput(`${name} ${amount}: expected an integer from 0 to 2^53 - 1`);
  }
}
