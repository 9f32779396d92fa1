/** A service whose policies are real LLMBudgets, with prices of the document's list. */
import type { Prices } from "../../../limitador-bridge/admission/ports.ts";
import type { Parts } from "../../../limitador-bridge/app.ts";
import type { AuditEntry } from "../../../limitador-bridge/audit/audit-log.ts";
import type { BudgetAlert } from "../../../limitador-bridge/budget/thresholds.ts";
import type { AdmitRequest, SettlementRecord } from "../../../limitador-bridge/contract/filter.ts";
import type { Store } from "../../../limitador-bridge/ledger/store/store.ts";
import { loadPolicyTexts, problemText } from "../../../limitador-bridge/policy/load.ts";
import { TEAM_IDENTITY } from "../../e2e/policies.ts";
import {
  admitRequest,
  ask,
  createService,
  type Service,
  settleAll,
  settlementRecord,
} from "./service-fixture.ts";

export const USD = 1_000_000_000;

/** nano-USD for one token: input, output. */
const RATES: Record<string, [number, number]> = {
  "gpt-4o": [2500, 10_000],
  "gpt-4o-mini": [150, 600],
  "claude-opus": [15_000, 75_000],
  "text-embedding-3-small": [20, 0],
};

export const documentPrices: Prices = {
  cost({ model, tokens }) {
    const rates = RATES[model ?? ""];
    if (rates === undefined) return { costNanoUsd: 0, priced: false };
    const costNanoUsd = tokens.inputText * rates[0] + tokens.outputText * rates[1];
    return { costNanoUsd, priced: true };
  },
  maxOutputTokens: () => 1000,
  priceOf: (model) => (RATES[model] === undefined ? null : { provider: null }),
  dearestOutput: () => "outputText",
  describe: () => ({}),
};

export interface BudgetedService extends Service {
  alerts: BudgetAlert[];
  audited: AuditEntry[];
  /** Takes other policies, as a reload does. */
  use(...specs: string[]): void;
}

/** Budgets by their specs, at two spaces' indent. */
export function budgeted(
  specs: string | string[],
  options: { store?: (clock: { nowMs: number }) => Store; overrides?: Partial<Parts> } = {},
): BudgetedService {
  const alerts: BudgetAlert[] = [];
  const audited: AuditEntry[] = [];
  let set = setOf([specs].flat());
  const service = createService({
    ...options,
    overrides: {
      policies: () => set,
      prices: () => documentPrices,
      audit: { append: async (entries) => void audited.push(...entries) },
      onBudgetAlert: (alert) => void alerts.push(alert),
      ...options.overrides,
    },
  });
  return {
    ...service,
    alerts,
    audited,
    use(...others) {
      set = setOf(others);
    },
  };
}

function setOf(specs: string[]) {
  const headOf = (i: number) =>
    `apiVersion: ai.systemhardening.com/v1\nkind: LLMBudget\nmetadata: {name: b${i}}\nspec:\n`;
  const texts = specs.map((spec, i) => (spec.startsWith("apiVersion") ? spec : headOf(i) + spec));
  const all = [TEAM_IDENTITY, ...texts].join("---\n");
  const loaded = loadPolicyTexts(new Map([["policies.yaml", all]]));
  if (loaded.problems.length > 0) throw new Error(loaded.problems.map(problemText).join("\n"));
  return loaded.set;
}

export interface Asking {
  model?: string | null;
  team?: string | null;
  app?: string;
  path?: string;
  headers?: Record<string, string>;
  llm?: Partial<AdmitRequest["llm"]>;
}

/** A request of the team blue for gpt-4o: 40 bytes of input, at most 100 tokens of output. */
export function request(id: string, asking: Asking = {}): AdmitRequest {
  const { model = "gpt-4o", team = "blue", app, path, headers = {}, llm = {} } = asking;
  const base = admitRequest(id);
  const all = {
    "x-user": "u1",
    "x-request-id": `r-${id}`,
    ...(team === null ? {} : { "x-team": team }),
    ...(app === undefined ? {} : { "x-app": app }),
    ...headers,
  };
  return {
    ...base,
    attributes: { request: { path: path ?? "/v1/chat/completions", headers: all } },
    llm: { ...base.llm, model, maxOutputTokens: 100, ...llm },
  };
}

/** 40 bytes are 10 tokens, 11 with the margin. */
export const WORST = { "gpt-4o": 1_027_500, "gpt-4o-mini": 61_650 };

/** Admits, and settles with so many tokens of output as cost the rest of `nanoUsd` on gpt-4o. */
export async function spend(service: BudgetedService, id: string, outputTokens: number) {
  const asked = request(id, { headers: { "x-require-model": "gpt-4o" } });
  const admitted = await ask(service.app, asked);
  if (admitted.body.verdict !== "allow") throw new Error(admitted.body.deny.body);
  await settleAll(service.app, settled(asked, [0, outputTokens]));
}

/** What the filter says of a request that ran. */
export function settled(
  asked: AdmitRequest,
  tokens: [number, number],
  change: Partial<SettlementRecord> = {},
): SettlementRecord {
  const { id, attributes, llm } = asked;
  return settlementRecord(id, tokens, { attributes, llm, ...change });
}
