/** Makes the immutable PolicySet of the documents in force. */
import { createHash } from "node:crypto";
import { BudgetIndex } from "../budget/budget-index.ts";
import { activationOf } from "../cel/attributes.ts";
import type { CompiledExpression } from "../cel/expression.ts";
import { noReads, type Reads } from "../cel/references.ts";
import type { ApiRoute } from "../contract/filter.ts";
import { counterValue } from "./counter-key.ts";
import { effectiveLimits } from "./effective-limits.ts";
import { filterNeeds } from "./filter-needs.ts";
import { apiRouteKind } from "./kinds/api-route.ts";
import { DEFAULT_IDENTITY, type Identity, identityKind } from "./kinds/identity.ts";
import { type LlmBudget, llmBudgetKind } from "./kinds/llm-budget.ts";
import { type TokenRateLimitPolicy, tokenRateLimitPolicyKind } from "./kinds/token-rate-limit.ts";
import type { TrackedFile } from "./load.ts";
import { MatchIndex } from "./match-index.ts";
import { type EvaluationCount, matchLimit } from "./match-limit.ts";
import type { PolicyDocument } from "./policy-file.ts";
import type { MatchResult, Payer, PolicySet, RequestContext } from "./policy-set.ts";
import { policyStatuses } from "./status.ts";
import { routeOf, type Targets } from "./targets.ts";

export interface SetParts {
  /** In force. */
  documents: readonly PolicyDocument[];
  /** All files, for the status. */
  files: ReadonlyMap<string, TrackedFile>;
  targets?: Targets;
}

function objectsOf<T>(documents: readonly PolicyDocument[], kind: string): T[] {
  return documents.flatMap((document) =>
    document.kind?.kind === kind && document.object !== null ? [document.object as T] : [],
  );
}

function versionOf(documents: readonly PolicyDocument[], targets: Targets): string {
  const contents = documents
    .filter(({ object }) => object !== null)
    .map(({ source }) => JSON.stringify([source.kind, source.namespace, source.name, source.value]))
    .sort();
  const all = JSON.stringify([contents, targets]);
  return createHash("sha256").update(all).digest("hex").slice(0, 16);
}

function readsOf(policies: readonly TokenRateLimitPolicy[], identity: Identity): Reads[] {
  // An expression that stands in many policies is compiled, and so counted, once.
  const expressions = new Set<CompiledExpression | number | null>(Object.values(identity));
  for (const { when, counters, reserveAmount, reserveTtl } of policies.flatMap(
    ({ limits }) => limits,
  )) {
    for (const each of [...when, ...counters, reserveAmount, reserveTtl]) expressions.add(each);
  }
  return [...expressions].flatMap((expression) =>
    expression === null || typeof expression === "number" ? [] : [expression.reads],
  );
}

function budgetReads({ headers, bodyPointers }: BudgetIndex): Reads {
  return { ...noReads(), headers: new Set(headers), bodyPointers: new Set(bodyPointers) };
}

/** Unknown is null, be it missing, null, empty or of no use as a name. */
function payerField(expression: CompiledExpression | null, activation: Record<string, unknown>) {
  if (expression === null) return null;
  try {
    const value = counterValue(expression.evaluate(activation));
    return value === "" ? null : value;
  } catch {
    return null;
  }
}

/** What differs between requests that share a lease. */
const SIZES = ["inputBytes", "maxOutputTokens"];

/** One index per route, and one for requests of no known route. */
function buildIndexes(policies: readonly TokenRateLimitPolicy[], targets: Targets) {
  const gateway = policies.filter(
    ({ targetRef: { kind, name } }) =>
      kind === "Gateway" && (targets.gateway === undefined || targets.gateway === name),
  );
  const onRoutes = policies.filter(({ targetRef }) => targetRef.kind === "HTTPRoute");
  const indexes = new Map<string | null, MatchIndex>();
  for (const { name } of targets.routes ?? []) {
    const own = onRoutes.filter(({ targetRef }) => targetRef.name === name);
    indexes.set(name, new MatchIndex(effectiveLimits(gateway, own)));
  }
  const elsewhere = targets.routes === undefined ? onRoutes : [];
  indexes.set(null, new MatchIndex(effectiveLimits(gateway, elsewhere)));
  return indexes;
}

/** The policies in force, as the rest of the service sees them. */
export class CompiledPolicySet implements PolicySet {
  readonly version: string;
  readonly failureMode: "allow" | "deny";
  readonly needs: PolicySet["needs"];
  readonly totalTokensPointers: string[];
  readonly apiRoutes: readonly ApiRoute[];
  readonly isLeasable: boolean;
  readonly budgets: BudgetIndex;
  readonly #identity: Identity;
  readonly #indexes: Map<string | null, MatchIndex>;
  readonly #routes: NonNullable<Targets["routes"]>;
  readonly #files: SetParts["files"];
  #statuses: ReturnType<typeof policyStatuses> | undefined;
  readonly #count: EvaluationCount = { predicates: 0 };

  constructor({ documents, files, targets = {} }: SetParts) {
    const policies = objectsOf<TokenRateLimitPolicy>(documents, tokenRateLimitPolicyKind.kind);
    this.#identity = objectsOf<Identity>(documents, identityKind.kind)[0] ?? DEFAULT_IDENTITY;
    this.#indexes = buildIndexes(policies, targets);
    this.#routes = targets.routes ?? [];
    this.#files = files;
    this.version = versionOf(documents, targets);
    const budgets = objectsOf<LlmBudget>(documents, llmBudgetKind.kind);
    this.budgets = new BudgetIndex(budgets);
    this.apiRoutes = objectsOf<ApiRoute[]>(documents, apiRouteKind.kind).flat();
    const denies = [...policies, ...budgets.filter(({ mode }) => mode === "enforce")].some(
      ({ failureMode }) => failureMode === "deny",
    );
    this.failureMode = denies ? "deny" : "allow";
    const reads = readsOf(policies, this.#identity);
    this.needs = filterNeeds([...reads, budgetReads(this.budgets)]);
    this.isLeasable = !reads.some(({ llm }) => SIZES.some((field) => llm.has(field)));
    this.totalTokensPointers = [
      ...new Set(policies.flatMap(({ totalTokensPointers }) => totalTokensPointers)),
    ];
  }

  get predicateEvaluations(): number {
    return this.#count.predicates;
  }

  match(context: RequestContext): MatchResult {
    const activation = activationOf(context);
    const request = activation.request as {
      headers: Map<string, string>;
      path?: string;
      host?: string;
    };
    const route = routeOf(this.#routes, request.host ?? "", request.path ?? "");
    const result: MatchResult = { limits: [], errors: [] };
    const index = this.#indexes.get(route) as MatchIndex;
    for (const limit of index.candidates(request.path, request.headers)) {
      matchLimit(limit, activation, result, this.#count);
    }
    return result;
  }

  payer(context: RequestContext): Payer {
    const activation = activationOf(context);
    const { team, app, user, task } = this.#identity;
    return {
      team: payerField(team, activation),
      app: payerField(app, activation),
      user: payerField(user, activation),
      task: payerField(task, activation),
    };
  }

  status() {
    this.#statuses ??= policyStatuses(this.#files.values());
    return this.#statuses;
  }
}
