/** A ledger that decides like the real one and keeps nothing. */
import { Book } from "../ledger/book.ts";
import { type CounterState, counterAt, counterId, limitInForce } from "../ledger/counter.ts";
import type {
  CounterView,
  LimitClaim,
  ReserveRequest,
  ReserveResult,
  Store,
} from "../ledger/store/store.ts";
import { carryPercent, withCarryOver } from "../ledger/window.ts";

/** One counter that the decision looked at. */
export interface PreviewedLimit {
  claim: LimitClaim;
  view: CounterView;
  /** There is room for the request; of a limit in shadow mode nobody asks. */
  fits: boolean;
}

const NO_KEEPER = {
  ended: () => undefined,
  counterChanged: () => {},
  holdChanged: () => {},
  end: () => {},
  record: () => {},
};

/**
 * Reserves on a copy of the counters, made anew for each call. Nothing is written to the store
 * that the counters are read from.
 */
export class PreviewStore implements Pick<Store, "reserve" | "release"> {
  /** What the last decision looked at, with the counters as they are before it. */
  limits: PreviewedLimit[] = [];
  /** Why the store could not be read. */
  failure: { error: unknown } | null = null;
  readonly #store: Pick<Store, "counters">;
  readonly #nowMs: () => number;

  constructor(store: Pick<Store, "counters">, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    try {
      return await this.#reserve(request);
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }

  async release(): Promise<void> {}

  async #reserve(request: ReserveRequest): Promise<ReserveResult> {
    const nowMs = this.#nowMs();
    const book = new Book(NO_KEEPER);
    const known = new Map<string, CounterView>();
    const options = [request.claims, ...(request.alternatives ?? [])];
    for (const claim of options.flat()) {
      const id = counterId(claim);
      if (known.has(id)) continue;
      const [view] = await this.#store.counters(id, 1);
      if (view !== undefined) known.set(id, view);
    }
    const [claims = [], ...alternatives] = options.map((option) =>
      option.map((claim) => asItStands(claim, known.get(counterId(claim)))),
    );
    for (const claim of [claims, ...alternatives].flat()) {
      const view = known.get(counterId(claim));
      if (view !== undefined) book.counters.set(counterId(claim), stateOf(claim, view, nowMs));
    }
    const states = new Map(book.counters);
    const result = book.reserve({ ...request, claims, alternatives }, nowMs);
    const taken = [claims, ...alternatives][result.admitted ? result.option : alternatives.length];
    this.limits = (taken ?? []).map((claim) => {
      const view = viewBefore(claim, states.get(counterId(claim)), nowMs);
      return { claim, view, fits: hasRoom(claim, view) };
    });
    return result;
  }
}

/** What was carried over is a part of the limit here: from what, no view tells. */
function asItStands(claim: LimitClaim, view: CounterView | undefined): LimitClaim {
  if (view === undefined || carryPercent(claim.window) === 0) return claim;
  const limit = limitInForce(claim, view);
  return { ...claim, limit, window: withCarryOver(claim.window, 0) };
}

/** A view of a sliding window is weighed already, and stands for its whole bucket. */
function stateOf(claim: LimitClaim, view: CounterView, nowMs: number): CounterState {
  const { used, held, resetsAtMs } = view;
  return { ...counterAt(undefined, claim, nowMs), used, held, endMs: resetsAtMs };
}

function viewBefore(
  claim: LimitClaim,
  known: CounterState | undefined,
  nowMs: number,
): CounterView {
  const { key, unit, window, limit } = claim;
  const { used, held, endMs: resetsAtMs } = known ?? counterAt(undefined, claim, nowMs);
  const remaining = Math.max(0, limit - used - held);
  return { key, unit, window, limit, used, held, resetsAtMs, remaining };
}

/** See LimitClaim: how far over its limit a request may go. */
function hasRoom({ reserve, allowance = 0 }: LimitClaim, { limit, used, held }: CounterView) {
  const room = limit - used - held;
  return room > 0 && reserve - allowance <= room;
}
