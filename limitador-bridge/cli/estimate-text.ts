/** An estimate in words. Pure. */
import { amountText } from "../admission/limit-text.ts";
import type { Unit } from "../ledger/store/store.ts";
import { textTable } from "../reports/table.ts";

/** As POST /v1/estimate answers. */
export interface EstimateAnswer {
  api: string | null;
  requestedModel: string | null;
  model: string | null;
  tokens: {
    input: number;
    inputSource: "tokenizer" | "bytes";
    inputIsPartial: boolean;
    expectedOutput: number;
    maxOutput: number;
  };
  cost: { lowUsd: string; expectedUsd: string; worstUsd: string } | null;
  verdict: "allow" | "deny";
  status: number | null;
  code: string | null;
  why: string;
  limits: {
    counter: string;
    unit: Unit;
    limit: number;
    used: number;
    held: number;
    remaining: number;
    reserve: number;
    enforced: boolean;
    fits: boolean;
    resetsAt: string;
  }[];
}

const NAME_WIDTH = 9;
const INPUT_SOURCES = { tokenizer: "counted", bytes: "estimated from its length" };

/** Model, tokens, cost, verdict, and the limits that count the request. */
export function estimateText(answer: EstimateAnswer): string {
  const { cost, why, limits } = answer;
  const money =
    cost === null
      ? "unknown: the model has no known price"
      : `${cost.lowUsd} to ${cost.worstUsd} USD, ${cost.expectedUsd} expected`;
  const lines: [name: string, text: string][] = [
    ["model", modelText(answer)],
    ["input", inputText(answer)],
    ["output", outputText(answer)],
    ["cost", money],
    ["verdict", verdictText(answer)],
    ["why", why],
  ];
  const head = lines.map(([name, text]) => `${name.padEnd(NAME_WIDTH)}${text}\n`).join("");
  return head + (limits.length === 0 ? "" : `\n${limitTable(limits)}`);
}

function modelText({ model, requestedModel }: EstimateAnswer): string {
  const running = model ?? "(none named)";
  return model === requestedModel ? running : `${running} instead of ${requestedModel}`;
}

function inputText({ tokens: { input, inputSource, inputIsPartial } }: EstimateAnswer): string {
  const rest = inputIsPartial ? "; media and tools may cost more" : "";
  return `${input} tokens, ${INPUT_SOURCES[inputSource]}${rest}`;
}

function outputText({ tokens: { expectedOutput, maxOutput } }: EstimateAnswer): string {
  return `${expectedOutput} tokens expected, ${maxOutput} at most`;
}

function verdictText({ verdict, status, code }: EstimateAnswer): string {
  return verdict === "allow" ? "allowed" : `refused with ${status} ${code}`;
}

function limitTable(limits: EstimateAnswer["limits"]): string {
  const right = (title: string) => ({ title, align: "right" as const });
  const left = (title: string) => ({ title, align: "left" as const });
  return textTable(
    [
      left("limit"),
      left("unit"),
      ...["limit", "used", "held", "left", "needed"].map(right),
      left("resets at"),
      left(""),
    ],
    limits.map((each) => [
      each.counter,
      each.unit,
      ...[each.limit, each.used, each.held, each.remaining, each.reserve].map((amount) =>
        amountText(each.unit, amount),
      ),
      each.resetsAt,
      each.fits ? "" : each.enforced ? "FULL" : "full (shadow mode)",
    ]),
    null,
  );
}
