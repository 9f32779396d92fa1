/**
 * Reservations over the shards that the claims are in. Where all options are in one shard, as on
 * a single node, a decision is one script call. Else one option after the other is asked of all
 * its shards and then held in their order, home first; what was held is given back where a later
 * shard denies, before the next option is tried.
 */
import { type DistinctClaims, expiryRecordOf, optionsOf } from "../../claims.ts";
import type { CounterView, Refusal, ReserveRequest, ReserveResult } from "../store.ts";
import { type Groups, grouped, othersOf, refusalOf, viewsOf } from "./groups.ts";
import type { Answer, Reserved, ShardCalls } from "./shard-calls.ts";
import type { Shard, Shards } from "./shards.ts";

/** One option of a request: all its claims, and by shard. */
interface Option {
  claims: DistinctClaims;
  groups: Groups;
}

/** What became of one option that is in several shards. */
type Outcome =
  | { verdict: "held"; counters: CounterView[] }
  | { verdict: "known"; option: number }
  | { verdict: "denied"; refusal: Refusal };

export class Reservations {
  readonly #shards: Shards;
  readonly #calls: ShardCalls;
  readonly #held: (id: string, otherShards: number[]) => void;

  /** @param held told of every hold that is in other shards than its home too */
  constructor(
    shards: Shards,
    calls: ShardCalls,
    held: (id: string, otherShards: number[]) => void,
  ) {
    this.#shards = shards;
    this.#calls = calls;
    this.#held = held;
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const home = this.#shards.homeOf(request.id);
    const options = optionsOf(request).map((claims): Option => {
      return { claims, groups: grouped(this.#shards, claims, home) };
    });
    const isHere = options.every(({ groups }) => groups.size === 1);
    return isHere
      ? this.#reserveHere(request, home, options)
      : this.#reserveAcross(request, options);
  }

  async #reserveHere(
    request: ReserveRequest,
    home: Shard,
    options: Option[],
  ): Promise<ReserveResult> {
    const { id, parts, holdMs } = request;
    const records =
      request.expiryRecordOf === undefined
        ? [request.expiryRecord]
        : options.map((_, option) => expiryRecordOf(request, option));
    const hold = { holdMs, isHome: true, records, otherShards: [], option: 0 };
    const asked = { id, options: options.map((option) => option.claims), parts };
    const { verdict, option, answers } = await this.#calls.reserve(home, asked, hold);
    const refusals = answers.map(({ counters, violated }) => {
      return { counters: [...counters.values()], violated: [...violated.values()] };
    });
    if (verdict === "denied") return denied(refusals);
    if (verdict === "held") return { admitted: true, option, counters: countersOf(refusals[0]) };
    const taken = option < options.length ? option : 0;
    return { admitted: true, option: taken, counters: countersOf(refusals[taken]) };
  }

  async #reserveAcross(request: ReserveRequest, options: Option[]): Promise<ReserveResult> {
    const refusals: Refusal[] = [];
    for (const [option, one] of options.entries()) {
      const outcome = await this.#tryOption(request, option, one);
      if (outcome.verdict === "held") {
        return { admitted: true, option, counters: outcome.counters };
      }
      if (outcome.verdict === "known") return this.#known(request.id, options, outcome.option);
      refusals.push(outcome.refusal);
    }
    return denied(refusals);
  }

  async #known(id: string, options: Option[], option: number): Promise<ReserveResult> {
    const taken = option < options.length ? option : 0;
    const { claims, groups } = options[taken] as Option;
    return { admitted: true, option: taken, counters: await this.views(id, claims, groups) };
  }

  /** The counters of claims as they are. */
  async views(id: string, claims: DistinctClaims, groups: Groups): Promise<CounterView[]> {
    return viewsOf((await this.#ask({ id }, groups)).map(countersIn), claims);
  }

  async #tryOption(
    request: ReserveRequest,
    option: number,
    { claims, groups }: Option,
  ): Promise<Outcome> {
    const { id } = request;
    // With claims in one shard alone a denial leaves nothing anywhere, asked first or not.
    if ([...groups.values()].filter((group) => group.size > 0).length > 1) {
      const asked = await this.#ask(request, groups);
      const [first] = asked;
      if (first?.verdict === "known") return { verdict: "known", option: first.option };
      if (asked.some(({ verdict }) => verdict === "denied")) {
        return { verdict: "denied", refusal: refusalOf(asked.map(answerIn), claims) };
      }
    }
    const held = await this.#holdInOrder(request, option, groups);
    const [first] = held;
    if (first?.verdict === "known") return { verdict: "known", option: first.option };
    if (held.every(({ verdict }) => verdict !== "denied")) {
      this.#held(id, othersOf(groups));
      return { verdict: "held", counters: viewsOf(held.map(countersIn), claims) };
    }
    await this.#releaseAll(id, groups);
    const counters = await this.views(id, claims, groups);
    const { violated } = refusalOf(held.map(answerIn), claims);
    return { verdict: "denied", refusal: { counters, violated } };
  }

  /** Holds in one shard after the other, up to the first that denies. */
  async #holdInOrder(request: ReserveRequest, option: number, groups: Groups): Promise<Reserved[]> {
    const { id, parts, holdMs } = request;
    const records = [expiryRecordOf(request, option)];
    const given = { holdMs, records, otherShards: othersOf(groups), option };
    const results: Reserved[] = [];
    try {
      for (const [shard, claims] of groups) {
        const hold = { ...given, isHome: results.length === 0 };
        const result = await this.#calls.reserve(shard, { id, options: [claims], parts }, hold);
        results.push(result);
        if (result.verdict === "denied" || results[0]?.verdict === "known") break;
      }
      return results;
    } catch (error) {
      // What cannot be given back now ends with its hold. An id known before is not ours to end.
      const begun = results[0]?.verdict === "held";
      if (begun) await this.#releaseAll(id, groups).catch(() => {});
      throw error;
    }
  }

  /** Home last, since it says where the others are: what is cut short can be done again. */
  async #releaseAll(id: string, groups: Groups): Promise<void> {
    const [home, ...others] = [...groups.keys()] as [Shard, ...Shard[]];
    await Promise.all(others.map((shard) => this.#calls.release(shard, id)));
    await this.#calls.release(home, id);
  }

  /** What every shard would say; home first. */
  #ask({ id, parts }: Pick<ReserveRequest, "id" | "parts">, groups: Groups): Promise<Reserved[]> {
    return Promise.all(
      [...groups].map(([shard, claims]) =>
        this.#calls.reserve(shard, { id, options: [claims], parts }, null),
      ),
    );
  }
}

/** Of a call with one option. */
function answerIn({ answers }: Reserved): Answer {
  return answers[0] ?? { counters: new Map(), violated: new Map() };
}

function countersIn(reserved: Reserved): Answer["counters"] {
  return answerIn(reserved).counters;
}

function countersOf(refusal: Refusal | undefined): CounterView[] {
  return refusal?.counters ?? [];
}

function denied(refusals: Refusal[]): ReserveResult {
  return { admitted: false, ...(refusals.at(-1) as Refusal), refusals };
}
