/** LLMBudget: from a document that has the schema to a budget that can be applied. */
import type { PolicyProblem } from "../policy-set.ts";
import { foundText } from "../schema-check.ts";
import type { FieldPath, SourceDocument } from "../source-document.ts";
import { usdToNanoUsd } from "../usd-amount.ts";
import { isTimeZone } from "../window-text.ts";
import type { CostRouting, LlmBudget, ModelLimit, Threshold, UnknownModel } from "./llm-budget.ts";
import {
  ANYONE,
  ANYONE_FIELDS,
  type BudgetSpecText,
  ORGANIZATION_FIELDS,
  USD_EXPECTED,
} from "./llm-budget-schema.ts";

const DEFAULT_OVERSHOOT_PERCENT = 5;
const DEFAULT_EMERGENCY_BUFFER_PERCENT = 10;
const DEFAULT_COMPLEXITY_THRESHOLD = 500;
const DEFAULT_CONTACT = "the platform team";
/** More would be slow to match, and means nothing. */
const MAX_STARS = 8;

type CeilingsText = NonNullable<BudgetSpecText["apps"]>;

/** One use: compile once, then read the problems. */
export class BudgetCompiler {
  readonly problems: PolicyProblem[] = [];
  readonly #warnings: PolicyProblem[] = [];
  readonly #document: SourceDocument;
  readonly #spec: BudgetSpecText;

  constructor(document: SourceDocument) {
    this.#document = document;
    this.#spec = (document.value as { spec: BudgetSpecText }).spec;
  }

  /** The budget, or null where there are problems. */
  compile(): LlmBudget | null {
    const spec = this.#spec;
    this.#checkScope();
    this.#checkCut();
    const monthlyNanoUsd = this.#usd(spec.monthlyBudgetUSD, ["spec", "monthlyBudgetUSD"]);
    const budget: LlmBudget = {
      policy: `${this.#document.namespace}/${this.#document.name}`,
      team: spec.team ?? null,
      organization: spec.organization ?? null,
      monthlyNanoUsd,
      thresholds: this.#thresholds(),
      modelLimits: this.#modelLimits(monthlyNanoUsd),
      defaultModel: spec.defaultModel ?? null,
      cheapModel: spec.costRouting?.cheapModel ?? null,
      costRouting: this.#costRouting(),
      apps: this.#ceilings("apps", spec.apps, monthlyNanoUsd),
      users: this.#ceilings("users", spec.users, monthlyNanoUsd),
      taskMaxNanoUsd:
        spec.tasks === undefined ? null : this.#usd(spec.tasks.maxUSD, ["spec", "tasks", "maxUSD"]),
      timeZone: this.#timeZone(),
      overshootPercent: spec.overshootPercent ?? DEFAULT_OVERSHOOT_PERCENT,
      essentialApps: new Set(spec.essentialApps),
      emergencyBufferPercent: spec.emergencyBufferPercent ?? DEFAULT_EMERGENCY_BUFFER_PERCENT,
      mode: (spec.mode ?? "enforce") as LlmBudget["mode"],
      failureMode: (spec.failureMode ?? "allow") as LlmBudget["failureMode"],
      enforcement: (spec.enforcement ?? "lease") as LlmBudget["enforcement"],
      unknownModel: unknownModel(spec.unknownModel),
      reservation: (spec.reservation ?? "worst-case") as LlmBudget["reservation"],
      defaultMaxOutputTokens: spec.defaultMaxOutputTokens ?? null,
      capMaxOutputTokens: spec.capMaxOutputTokens ?? false,
      onExhausted: (spec.onExhausted ?? "continue") as LlmBudget["onExhausted"],
      inputEstimate: (spec.inputEstimate ?? "bytes") as LlmBudget["inputEstimate"],
      contact: spec.contact ?? DEFAULT_CONTACT,
      teamsWithoutBudget: (spec.teamsWithoutBudget ?? "budget") as LlmBudget["teamsWithoutBudget"],
      unknownPayer: (spec.unknownPayer ?? "deny") as LlmBudget["unknownPayer"],
      warnings: this.#warnings,
    };
    this.#checkDowngrade(budget);
    return this.problems.length > 0 ? null : budget;
  }

  /** A budget is for a team, for every other team ("*"), or for an organization. */
  #checkScope(): void {
    const spec = this.#spec;
    if (spec.team === undefined && spec.organization === undefined) {
      const message =
        "is missing: expected a team's name " +
        "(or spec.organization alone, for an organization's total)";
      const at = this.#document.locateKey(["spec"]);
      this.problems.push(this.#document.problem(["spec", "team"], message, at));
      return;
    }
    if (spec.team === undefined) {
      for (const field of Object.keys(spec)) {
        if (ORGANIZATION_FIELDS.includes(field)) continue;
        this.#refuseKey(field, "is for teams, and this is the budget of an organization");
      }
      return;
    }
    for (const field of spec.team === ANYONE ? [] : ANYONE_FIELDS) {
      if (spec[field] === undefined) continue;
      this.#refuseKey(field, `is for the budget of all teams without their own: team "${ANYONE}"`);
    }
  }

  #checkCut(): void {
    const { onExhausted, reservation } = this.#spec;
    if (onExhausted !== "cut" || reservation !== "none") return;
    this.#refuse(
      ["spec", "onExhausted"],
      'cut needs a reservation, and spec.reservation is "none"',
    );
  }

  #refuseKey(field: string, message: string): void {
    const path = ["spec", field];
    this.problems.push(this.#document.problem(path, message, this.#document.locateKey(path)));
  }

  #refuse(path: FieldPath, message: string): void {
    this.problems.push(this.#document.problem(path, message));
  }

  #warn(path: FieldPath, message: string): void {
    this.#warnings.push(this.#document.problem(path, message));
  }

  /** nano-USD, exactly; 0 after the problem was noted. */
  #usd(amount: number, path: FieldPath): number {
    const nanoUsd = usdToNanoUsd(amount);
    if (nanoUsd !== null) return nanoUsd;
    this.#refuse(path, `expected ${USD_EXPECTED}, found ${foundText(amount)}`);
    return 0;
  }

  #thresholds(): Threshold[] {
    const first = new Map<number, number>();
    const thresholds = (this.#spec.alertThresholds ?? []).map((text, i): Threshold => {
      const other = first.get(text.percent);
      first.set(text.percent, other ?? i);
      if (other !== undefined) {
        const path = ["spec", "alertThresholds", i, "percent"];
        this.#refuse(path, `${text.percent} is already used by spec.alertThresholds[${other}]`);
      }
      return {
        percent: text.percent,
        action: text.action as Threshold["action"],
        notifyChannel: text.notifyChannel ?? null,
      };
    });
    return thresholds.sort((a, b) => a.percent - b.percent);
  }

  #modelLimits(monthlyNanoUsd: number): ModelLimit[] {
    const first = new Map<string, number>();
    return (this.#spec.modelLimits ?? []).map((text, i): ModelLimit => {
      const path: FieldPath = ["spec", "modelLimits", i];
      this.#checkPattern(text.modelPattern, [...path, "modelPattern"], first, i);
      if (text.maxMonthlyUSD === undefined && text.allowedApps === undefined) {
        this.#refuse(path, "expected maxMonthlyUSD or allowedApps, found neither");
      }
      const maxNanoUsd =
        text.maxMonthlyUSD === undefined
          ? null
          : this.#ceiling(text.maxMonthlyUSD, [...path, "maxMonthlyUSD"], monthlyNanoUsd);
      const apps = text.allowedApps ?? [];
      return {
        pattern: text.modelPattern,
        maxNanoUsd,
        allowedApps: apps.length > 0 ? apps : null,
      };
    });
  }

  #checkPattern(pattern: string, path: FieldPath, first: Map<string, number>, i: number): void {
    const key = pattern.toLowerCase();
    const other = first.get(key);
    first.set(key, other ?? i);
    if (other !== undefined) {
      this.#refuse(path, `"${pattern}" is already used by spec.modelLimits[${other}]`);
    }
    // Other tools' globs; taken as they stand they would match no model, and limit nothing.
    if (/[\s?[\]{}]/.test(pattern) || pattern.split("*").length - 1 > MAX_STARS) {
      const stars = `at most ${MAX_STARS} "*" for any characters`;
      const expected = `a model's name, or a pattern with ${stars}`;
      this.#refuse(path, `expected ${expected}, found ${foundText(pattern)}`);
    }
  }

  #ceiling(amount: number, path: FieldPath, monthlyNanoUsd: number): number {
    const nanoUsd = this.#usd(amount, path);
    if (nanoUsd > monthlyNanoUsd) {
      const budget = this.#spec.monthlyBudgetUSD;
      this.#warn(path, `${amount} is over the whole budget of ${budget} USD: it limits nothing`);
    }
    return nanoUsd;
  }

  #ceilings(
    field: "apps" | "users",
    text: CeilingsText | undefined,
    monthlyNanoUsd: number,
  ): Map<string, number> {
    return new Map(
      Object.entries(text ?? {}).map(([name, { maxMonthlyUSD }]) => {
        const path = ["spec", field, name, "maxMonthlyUSD"];
        return [name, this.#ceiling(maxMonthlyUSD, path, monthlyNanoUsd)];
      }),
    );
  }

  #costRouting(): CostRouting | null {
    const text = this.#spec.costRouting;
    if (text?.enabled !== true) return null;
    for (const field of ["cheapModel", "expensiveModel"] as const) {
      if (text[field] !== undefined) continue;
      const path = ["spec", "costRouting", field];
      const at = this.#document.locateKey(["spec", "costRouting"]);
      const message = "is missing: expected a model's name, since costRouting is enabled";
      this.problems.push(this.#document.problem(path, message, at));
    }
    const { cheapModel = "", expensiveModel = "", complexityThreshold } = text;
    return {
      cheapModel,
      expensiveModel,
      complexityThreshold: complexityThreshold ?? DEFAULT_COMPLEXITY_THRESHOLD,
    };
  }

  #timeZone(): string {
    const { timeZone = "UTC" } = this.#spec;
    if (isTimeZone(timeZone)) return timeZone;
    const expected = 'an IANA time zone such as "Europe/Berlin"';
    this.#refuse(["spec", "timeZone"], `expected ${expected}, found ${foundText(timeZone)}`);
    return "UTC";
  }

  #checkDowngrade({ team, thresholds, defaultModel, cheapModel }: LlmBudget): void {
    const isDowngrade = ({ action }: { action: string }) => action === "alert_and_downgrade";
    if (team === null || !thresholds.some(isDowngrade)) return;
    if (defaultModel !== null || cheapModel !== null) return;
    const i = (this.#spec.alertThresholds ?? []).findIndex(isDowngrade);
    const message =
      "only alerts: there is no model to downgrade to " +
      "(spec.defaultModel or spec.costRouting.cheapModel)";
    this.#warn(["spec", "alertThresholds", i, "action"], message);
  }
}

function unknownModel(text: BudgetSpecText["unknownModel"]): UnknownModel {
  if (typeof text === "object") return { rule: "priceAs", model: text.priceAs };
  return { rule: (text ?? "deny") as "deny" | "free" };
}
