/** Grants leases: what the filter may admit without asking, reserved in the ledger before. */
import { planCase } from "../admission/budget-request.ts";
import {
  type AdmissionParts,
  type Case,
  expiryRecord,
  firstOption,
  providerFor,
} from "../admission/case.ts";
import { caseOptions } from "../admission/options.ts";
import { holdMsOf } from "../admission/reservation.ts";
import type { AdmitAnswer, AdmitRequest, Lease } from "../contract/filter.ts";
import type { UsageRecord } from "../contract/usage-record.ts";
import type { CounterView, LimitClaim, Store } from "../ledger/store/store.ts";
import { StoreError } from "../ledger/store/store-error.ts";
import type { Metrics } from "../metrics.ts";
import { LeaseDemand, type Wanted } from "./demand.ts";
import { affordableParts, isLeasable, leaseClaims, validFor } from "./lease-claims.ts";
import { newLeaseId } from "./lease-id.ts";

/** How long a lease is valid: a policy that has changed is in force that much later at most. */
const VALID_MS = 2_000;
/** With less than this to the end of a window a lease is not worth its calls. */
const LEAST_VALID_MS = 200;

/** A lease with what its limits say after it was reserved. */
export interface Granted {
  lease: Lease;
  counters: readonly CounterView[];
}

export interface GranterParts {
  store: Pick<Store, "reserve" | "shrink">;
  metrics: Pick<Metrics, "leases" | "leaseParts">;
}

export class LeaseGranter {
  readonly #demand = new LeaseDemand(VALID_MS);
  readonly #parts: GranterParts;

  constructor(parts: GranterParts) {
    this.#parts = parts;
  }

  /**
   * The lease that goes with an answer, or null: because there is too little demand or too little
   * left, policies look at what differs between requests, or the store did not answer.
   * @param counters as they are with the request's own reservation; null: not known yet
   */
  async grant(
    parts: AdmissionParts,
    found: Case,
    answer: AdmitAnswer,
    counters: readonly CounterView[] | null,
  ): Promise<Granted | null> {
    if (!parts.policies().isLeasable || !isLeasable(found, answer)) return null;
    const { request, likeness, nowMs } = found;
    if (likeness === null) return null;
    const { inputBytes, maxOutputTokens } = request.llm;
    const isRenewal = request.renew !== undefined;
    const key = keyOf(request, likeness);
    const wanted = this.#demand.wanted({ key, inputBytes, maxOutputTokens, isRenewal }, nowMs);
    if (wanted === null) return null;
    const claims = claimsWithin(parts, found, wanted);
    if (claims === null) return null;
    const most = counters === null ? wanted.parts : affordableParts(claims, counters, wanted.parts);
    if (most === 0) return null;
    const holdMs = VALID_MS + holdMsOf(found.limits, parts.holdMs);
    const lease = { ...wanted, parts: most, id: newLeaseId(request.id), claims, holdMs };
    const granted = await this.#reserve(
      lease,
      expiryRecord(found, firstOption(found)),
      parts.nowMs,
    );
    if (granted !== null) this.#demand.granted(key, granted.lease.parts, nowMs);
    return granted;
  }

  async #reserve(
    wanted: LeaseHold,
    expiryRecord: UsageRecord,
    nowMs: () => number,
  ): Promise<Granted | null> {
    const { store, metrics } = this.#parts;
    const { id, claims, parts, holdMs, maxInputBytes, maxOutputTokens } = wanted;
    try {
      const result = await store.reserve({ id, claims, parts, holdMs, expiryRecord });
      if (!result.admitted) return null;
      const { counters } = result;
      const validMs = validFor(claims, counters, VALID_MS, nowMs());
      // Others may have taken their part since the counters were last looked at.
      const room = affordableParts(claims, counters, parts, parts);
      const kept = validMs < LEAST_VALID_MS ? 0 : room;
      if (kept < parts) await store.shrink(id, kept);
      if (kept === 0) return null;
      metrics.leases.inc();
      metrics.leaseParts.inc({ result: "granted" }, kept);
      return { lease: { id, parts: kept, validMs, maxInputBytes, maxOutputTokens }, counters };
    } catch (error) {
      // The request itself is decided; a store that does not answer now grants nothing.
      if (error instanceof StoreError) return null;
      throw error;
    }
  }
}

interface LeaseHold extends Wanted {
  id: string;
  claims: LimitClaim[];
  holdMs: number;
}

/** Requests of one worker that a lease may be for; the filter compares the same. */
function keyOf({ id, llm }: AdmitRequest, likeness: string): string {
  const worker = id.slice(0, id.lastIndexOf("-"));
  const isTold = llm.maxOutputTokens !== null;
  return `${worker} ${isTold} ${likeness}`;
}

/** The claims of the largest request that the lease is for; null: it would not run as this one. */
function claimsWithin(parts: AdmissionParts, found: Case, wanted: Wanted): LimitClaim[] | null {
  const { request, limits, nowMs } = found;
  const { maxInputBytes: inputBytes, maxOutputTokens } = wanted;
  const llm = { ...request.llm, inputBytes, maxOutputTokens };
  const largest = { ...found, request: { ...request, llm } };
  const planned = planCase(parts, largest, parts.policies().budgets.match(found.payer));
  if (planned.kind === "deny" || (planned.kind === "plan") !== (found.plan !== null)) return null;
  const plan = planned.kind === "plan" ? planned.plan : null;
  const { ratios } = parts;
  const providerOf = (model: string | null) => providerFor(found.context, model);
  const prices = parts.prices();
  const shared = { providerOf, limits, plan, prices, ratios, nowMs };
  const options = caseOptions({ ...shared, llm, counted: null });
  const option = firstOption({ options });
  const own = firstOption(found).budget;
  if (option.budget?.model !== own?.model || option.budget?.why !== own?.why) return null;
  return leaseClaims(option);
}
