/** Makes the immutable PolicySet of the documents in force. */
import { createHash } from "node:crypto";
import { BudgetIndex } from "../budget/budget-index.ts";
import { activationOf } from "../cel/attributes.ts";
import type { CompiledExpression } from "../cel/expression.ts";
import { noReads, type Reads } from "../cel/references.ts";
import type { ApiRoute } from "../contract/filter.ts";
import { SERVICE_TIERS } from "../usage/service-tier.ts";
import { attachPolicies, type SourcedPolicy } from "./attachments.ts";
import { counterValue } from "./counter-key.ts";
import { filterNeeds } from "./filter-needs.ts";
import type { HttpRoute } from "./http-route.ts";
import { apiRouteKind } from "./kinds/api-route.ts";
import { httpRouteKind } from "./kinds/http-route.ts";
import { DEFAULT_IDENTITY, type Identity, identityKind } from "./kinds/identity.ts";
import { type LlmBudget, llmBudgetKind } from "./kinds/llm-budget.ts";
import { type TokenRateLimitPolicy, tokenRateLimitPolicyKind } from "./kinds/token-rate-limit.ts";
import type { TrackedFile } from "./load.ts";
import { type EvaluationCount, matchLimit } from "./match-limit.ts";
import { organizationWarnings } from "./organization-warnings.ts";
import type { PolicyDocument } from "./policy-file.ts";
import type { MatchResult, Payer, PolicyProblem, PolicySet, RequestContext } from "./policy-set.ts";
import { type RateInForce, ratesInForce } from "./rates-in-force.ts";
import { type RequestFields, RouteIndex } from "./route-index.ts";
import type { SourceDocument } from "./source-document.ts";
import { policyStatuses } from "./status.ts";

export interface SetParts {
  /** In force. */
  documents: readonly PolicyDocument[];
  /** All files, for the status. */
  files: ReadonlyMap<string, TrackedFile>;
  /** Of files that cannot be read and of the folder itself, for the status. */
  folderProblems?: readonly PolicyProblem[];
}

function objectsOf<T>(documents: readonly PolicyDocument[], kind: string): T[] {
  return documents.flatMap((document) =>
    document.kind?.kind === kind && document.object !== null ? [document.object as T] : [],
  );
}

function versionOf(documents: readonly PolicyDocument[]): string {
  const contents = documents
    .filter(({ object }) => object !== null)
    .map(({ source }) => JSON.stringify([source.kind, source.namespace, source.name, source.value]))
    .sort();
  return createHash("sha256").update(JSON.stringify(contents)).digest("hex").slice(0, 16);
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

/** Where money is counted, a request may ask for what costs more. */
function moneyReads(
  policies: readonly TokenRateLimitPolicy[],
  budgets: readonly LlmBudget[],
): Reads[] {
  const rates = policies.flatMap(({ limits }) => limits).flatMap((limit) => limit.rates);
  const counts = budgets.length > 0 || rates.some(({ unit }) => unit === "usd");
  return counts ? [{ ...noReads(), bodyPointers: new Set(SERVICE_TIERS) }] : [];
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

function attach(documents: readonly PolicyDocument[]) {
  const policies = documents.flatMap(({ kind, object, source }): SourcedPolicy[] =>
    kind?.kind === tokenRateLimitPolicyKind.kind && object !== null
      ? [{ source, policy: object as TokenRateLimitPolicy }]
      : [],
  );
  const routes = objectsOf<HttpRoute>(documents, httpRouteKind.kind);
  return { attachments: attachPolicies(policies, routes), routes };
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
  readonly rates: ReadonlyMap<string, RateInForce>;
  readonly #identity: Identity;
  /** Where a policy counts otherwise than it says, by the policy's document. */
  readonly warnings: ReadonlyMap<SourceDocument, PolicyProblem[]>;
  readonly #index: RouteIndex;
  readonly #files: SetParts["files"];
  readonly #folderProblems: readonly PolicyProblem[];
  #statuses: ReturnType<typeof policyStatuses> | undefined;
  readonly #count: EvaluationCount = { predicates: 0 };

  constructor({ documents, files, folderProblems = [] }: SetParts) {
    const policies = objectsOf<TokenRateLimitPolicy>(documents, tokenRateLimitPolicyKind.kind);
    this.#identity = objectsOf<Identity>(documents, identityKind.kind)[0] ?? DEFAULT_IDENTITY;
    const { attachments, routes } = attach(documents);
    this.warnings = new Map([...attachments.warnings, ...organizationWarnings(documents)]);
    this.#index = new RouteIndex(attachments, routes);
    this.#files = files;
    this.#folderProblems = folderProblems;
    this.version = versionOf(documents);
    const budgets = objectsOf<LlmBudget>(documents, llmBudgetKind.kind);
    this.budgets = new BudgetIndex(budgets);
    this.rates = ratesInForce(policies);
    this.apiRoutes = objectsOf<ApiRoute[]>(documents, apiRouteKind.kind).flat();
    const denies = [...policies, ...budgets.filter(({ mode }) => mode === "enforce")].some(
      ({ failureMode }) => failureMode === "deny",
    );
    this.failureMode = denies ? "deny" : "allow";
    const reads = readsOf(policies, this.#identity);
    const others = [budgetReads(this.budgets), ...moneyReads(policies, budgets), this.#index.reads];
    this.needs = filterNeeds([...reads, ...others]);
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
    const request = activation.request as RequestFields;
    const result: MatchResult = { limits: [], errors: [] };
    for (const limit of this.#index.candidates(request, result)) {
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
    this.#statuses ??= policyStatuses(this.#files.values(), {
      folderProblems: this.#folderProblems,
      setWarnings: this.warnings,
    });
    return this.#statuses;
  }
}
