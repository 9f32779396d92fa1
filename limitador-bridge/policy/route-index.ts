/** Finds the limits that may count a request: by the route that takes it, then by its values. */
import { noReads, type Reads } from "../cel/references.ts";
import type { Attachments } from "./attachments.ts";
import type { HttpRoute, RouteRule } from "./http-route.ts";
import type { CompiledLimit } from "./kinds/token-rate-limit.ts";
import { type IndexedLimit, MatchIndex } from "./match-index.ts";
import type { MatchResult } from "./policy-set.ts";
import { RouteTable } from "./route-table.ts";
import { targetLimits } from "./target-limits.ts";
import { TextTooLong } from "./text-match.ts";

/** `request`, as expressions are evaluated on it. */
export interface RequestFields {
  headers: ReadonlyMap<string, string>;
  host?: string;
  path?: string;
  method?: string;
  query?: string;
}

/** By what a failure is known to tell which route takes a request. */
export const UNMATCHED = { policy: "HTTPRoute", limit: "matches" };

export class RouteIndex {
  /** What has to be known of a request to tell which route takes it. */
  readonly reads: Reads = noReads();
  readonly #elsewhere: MatchIndex;
  readonly #byRule = new Map<RouteRule, MatchIndex>();
  /** null: the same limits count requests of all routes. */
  readonly #table: RouteTable | null;

  constructor(attachments: Attachments, routes: readonly HttpRoute[]) {
    const table = new RouteTable(routes);
    const { elsewhere, rules } = targetLimits(attachments, table.sections);
    this.#elsewhere = new MatchIndex(elsewhere);
    this.#table = [...rules.values()].every((limits) => limits === elsewhere) ? null : table;
    if (this.#table === null) return;
    for (const header of table.headers) this.reads.headers.add(header);
    const indexes = new Map<readonly CompiledLimit[], MatchIndex>([[elsewhere, this.#elsewhere]]);
    for (const [rule, limits] of rules) {
      let index = indexes.get(limits);
      if (index === undefined) {
        index = new MatchIndex(limits);
        indexes.set(limits, index);
      }
      this.#byRule.set(rule, index);
    }
  }

  /** The limits that may count this request, in order; what failed is added to `result`. */
  candidates(request: RequestFields, result: MatchResult): IndexedLimit[] {
    return this.#indexFor(request, result).candidates(request.path, request.headers);
  }

  #indexFor(request: RequestFields, result: MatchResult): MatchIndex {
    if (this.#table === null) return this.#elsewhere;
    const { headers, host = "", path = "", method = "", query = "" } = request;
    try {
      const section = this.#table.find({ host, path, method, query, headers });
      return (section && this.#byRule.get(section.rule)) ?? this.#elsewhere;
    } catch (error) {
      if (!(error instanceof TextTooLong)) throw error;
      // Which limits are the right ones is not known, and no text may be a way around them.
      result.errors.push({
        ...UNMATCHED,
        expression: error.pattern,
        message: error.message,
        failureMode: "deny",
      });
      return this.#elsewhere;
    }
  }
}
