/** TokenRateLimitPolicy: from a document that has the schema to limits that can be matched. */
import type { CompiledExpression } from "../../cel/expression.ts";
import type { Unit } from "../../ledger/store/store.ts";
import type { Window } from "../../ledger/window.ts";
import { compileField } from "../compile-field.ts";
import type { PolicyProblem, UnknownModel } from "../policy-set.ts";
import { checkSchema } from "../schema-check.ts";
import type { FieldPath, SourceDocument } from "../source-document.ts";
import type { LoadedObject, PolicyKind } from "./kind.ts";
import { compileRates } from "./token-rate.ts";
import {
  API_VERSION,
  KIND,
  type LimitText,
  type RulesText,
  type SpecText,
  TokenRateLimitPolicySchema,
} from "./token-rate-limit-schema.ts";

export interface CompiledRate {
  unit: Unit;
  amount: number;
  window: Window;
  /** Names the rate among its limit's. */
  key: string;
}

export interface CompiledLimit {
  /** namespace/name of the policy */
  policy: string;
  name: string;
  /** The policy's own predicates, then the limit's: all must hold. */
  when: CompiledExpression[];
  counters: CompiledExpression[];
  rates: CompiledRate[];
  reservation: "none" | "worst-case";
  reserveAmount: number | CompiledExpression | null;
  reserveTtl: CompiledExpression | null;
  mode: "enforce" | "shadow";
  failureMode: "allow" | "deny";
  evaluationFailureMode: "allow" | "deny";
  enforcement: "lease" | "ask";
  onExhausted: "continue" | "cut";
  unknownModel: UnknownModel;
}

export interface TokenRateLimitPolicy {
  targetRef: { group: string; kind: string; name: string; sectionName?: string };
  /** Where the target lies; null: the file does not say. */
  targetNamespace: string | null;
  /** Bare limits are defaults. */
  role: "defaults" | "overrides";
  strategy: "atomic" | "merge";
  limits: CompiledLimit[];
  failureMode: "allow" | "deny";
  totalTokensPointers: string[];
  warnings: readonly PolicyProblem[];
}

const COUNTS_OUTPUT: ReadonlySet<string> = new Set<Unit>(["total", "output", "usd"]);
const TOTAL_TOKENS = "totalTokens";
const RULE_GROUPS = ["defaults", "overrides", "limits"] as const;

class PolicyCompiler {
  readonly problems: PolicyProblem[] = [];
  readonly warnings: PolicyProblem[] = [];
  readonly document: SourceDocument;
  readonly spec: SpecText;

  constructor(document: SourceDocument) {
    this.document = document;
    this.spec = (document.value as { spec: SpecText }).spec;
  }

  compile(): TokenRateLimitPolicy | null {
    this.checkRuleGroups();
    if (this.problems.length > 0) return null;
    const role = this.spec.overrides === undefined ? "defaults" : "overrides";
    const nested = this.spec.overrides ?? this.spec.defaults;
    const rules: RulesText = nested ?? this.spec;
    const path: FieldPath = nested === undefined ? ["spec"] : ["spec", role];
    const when = this.predicates(rules.when ?? [], [...path, "when"]);
    const limits = Object.entries(rules.limits ?? {}).map(([name, limit]) =>
      this.limit(name, limit, [...path, "limits", name], when),
    );
    if (this.problems.length > 0) return null;
    const owner: FieldPath = rules.dataExtraction === undefined ? ["spec"] : path;
    const targets = (rules.dataExtraction ?? this.spec.dataExtraction)?.response ?? {};
    this.warnOfUnreadTargets(targets, [...owner, "dataExtraction", "response"]);
    return {
      targetRef: this.spec.targetRef,
      targetNamespace: this.document.statedNamespace,
      role,
      strategy: (rules.strategy ?? "atomic") as "atomic" | "merge",
      limits,
      failureMode: this.failureMode,
      totalTokensPointers: targets[TOTAL_TOKENS] ?? [],
      warnings: this.warnings,
    };
  }

  get failureMode(): "allow" | "deny" {
    return (this.spec.failureMode ?? "allow") as "allow" | "deny";
  }

  /** Kuadrant's validation rules over defaults, overrides and bare limits. */
  checkRuleGroups(): void {
    const given = RULE_GROUPS.filter((group) => this.spec[group] !== undefined);
    const [first, second] = given;
    if (first === undefined) {
      const at = this.document.locateKey(["spec"]);
      const message = "is missing: expected limits here, or in spec.defaults or spec.overrides";
      this.problems.push(this.document.problem(["spec", "limits"], message, at));
      return;
    }
    if (second !== undefined) {
      this.refuse(["spec", second], `cannot stand beside spec.${first}: use one of the two`);
      return;
    }
    const rules = first === "limits" ? this.spec : this.spec[first];
    const path: FieldPath = first === "limits" ? ["spec"] : ["spec", first];
    if (Object.keys(rules?.limits ?? {}).length === 0) {
      this.refuse([...path, "limits"], "expected at least one limit, found none");
    }
    if (first !== "limits" && this.spec.when !== undefined) {
      this.refuse(
        ["spec", "when"],
        `has no effect beside spec.${first}: put it into spec.${first}.when`,
      );
    }
  }

  warnOfUnreadTargets(targets: Record<string, string[]>, path: FieldPath): void {
    for (const name of Object.keys(targets)) {
      if (name === TOTAL_TOKENS) continue;
      const message = `no limit counts this: ${TOTAL_TOKENS} is the only target that is read`;
      const field = [...path, name];
      this.warnings.push(this.document.problem(field, message, this.document.locateKey(field)));
    }
  }

  /** A client gets a new counter with each connection that it opens. */
  warnOfPort(expression: CompiledExpression, field: FieldPath): void {
    if (expression.source.trim() !== "source.address") return;
    const message =
      "counts each connection by itself, since Envoy's address has the port: " +
      "source.remote_address is the client's address without it";
    this.warnings.push(this.document.problem(field, message));
  }

  refuse(path: FieldPath, message: string): void {
    this.problems.push(this.document.problem(path, message, this.document.locateKey(path)));
  }

  predicates(when: { predicate: string }[], path: FieldPath): CompiledExpression[] {
    return when.flatMap(({ predicate }, i) => {
      const field = [...path, i, "predicate"];
      return compileField(this.document, field, predicate, "bool", this.problems) ?? [];
    });
  }

  limit(name: string, text: LimitText, path: FieldPath, when: CompiledExpression[]): CompiledLimit {
    const own = this.predicates(text.when ?? [], [...path, "when"]);
    const counters = (text.counters ?? []).flatMap(({ expression }, i) => {
      const field = [...path, "counters", i, "expression"];
      const { document, problems } = this;
      const counter = compileField(document, field, expression, "single value", problems);
      if (counter === null) return [];
      this.warnOfPort(counter, field);
      return counter;
    });
    const { spec } = this;
    this.checkCut(text, path);
    return {
      policy: `${this.document.namespace}/${this.document.name}`,
      name,
      when: [...when, ...own],
      counters,
      rates: compileRates(this.document, text.rates ?? [], [...path, "rates"], this.problems),
      ...this.reservation(text.reservation, [...path, "reservation"]),
      mode: (text.mode ?? spec.mode ?? "enforce") as "enforce" | "shadow",
      failureMode: this.failureMode,
      evaluationFailureMode: (spec.evaluationFailureMode ?? "deny") as "allow" | "deny",
      enforcement: (text.enforcement ?? spec.enforcement ?? "lease") as "lease" | "ask",
      onExhausted: (text.onExhausted ?? "continue") as "continue" | "cut",
      unknownModel: unknownModel(spec.unknownModel),
    };
  }

  /** A stream can only be cut where something is held for it that its output uses up. */
  checkCut({ onExhausted, reservation, rates = [] }: LimitText, path: FieldPath): void {
    if (onExhausted !== "cut") return;
    const holds =
      typeof reservation === "object"
        ? (reservation.amount ?? 0) !== 0
        : reservation === "worst-case";
    const at: FieldPath = [...path, "onExhausted"];
    if (!holds) {
      this.refuse(at, "cut needs a reservation: expected worst-case or {amount} beside it");
    } else if (!rates.some(({ unit = "total" }) => COUNTS_OUTPUT.has(unit))) {
      this.refuse(at, "cut needs a rate that counts output: total, output or usd");
    }
  }

  reservation(
    text: LimitText["reservation"],
    path: FieldPath,
  ): Pick<CompiledLimit, "reservation" | "reserveAmount" | "reserveTtl"> {
    if (typeof text !== "object") {
      const reservation = (text ?? "none") as "none" | "worst-case";
      return { reservation, reserveAmount: null, reserveTtl: null };
    }
    const { amount = 0, ttl } = text;
    const compile = (source: string, key: string, expected: "int" | "duration") =>
      compileField(this.document, [...path, key], source, expected, this.problems);
    return {
      reservation: "none",
      reserveAmount: typeof amount === "string" ? compile(amount, "amount", "int") : amount,
      reserveTtl: ttl === undefined ? null : compile(ttl, "ttl", "duration"),
    };
  }
}

function unknownModel(text: SpecText["unknownModel"]): UnknownModel {
  if (typeof text === "object") return { rule: "priceAs", model: text.priceAs };
  return { rule: text === "free" ? "free" : "deny" };
}

function load(document: SourceDocument): LoadedObject<TokenRateLimitPolicy> {
  const wrong = checkSchema(document, TokenRateLimitPolicySchema);
  if (wrong.length > 0) return { object: null, problems: wrong };
  const compiler = new PolicyCompiler(document);
  return { object: compiler.compile(), problems: compiler.problems };
}

export const tokenRateLimitPolicyKind: PolicyKind<TokenRateLimitPolicy> = {
  apiVersion: API_VERSION,
  kind: KIND,
  schema: TokenRateLimitPolicySchema,
  warnings: ({ warnings }) => warnings,
  load,
};
