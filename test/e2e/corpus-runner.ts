/** Sends corpus cases through a running stack and collects what was not as expected. */
import { randomUUID } from "node:crypto";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { type Reply, send } from "./client.ts";
import { bodyOf, type CorpusCase, requestBodyOf } from "./corpus-case.ts";
import { byteProblems, recordProblems } from "./corpus-check.ts";
import { type Stack, startStack } from "./harness.ts";
import { type ReplayUpstream, startReplayUpstream } from "./replay-upstream.ts";
import { recordOf } from "./service-api.ts";

export type Mode = "whole" | "7-byte";
export interface CaseResult {
  case: CorpusCase;
  mode: Mode;
  problems: string[];
}

const AT_ONCE = 8;
/** A long stream in 7-byte pieces takes its time where the machine has other work. */
const REPLY_DEADLINE_MS = 60_000;
const RECORD_DEADLINE_MS = 5_000;
/** Where nothing may be charged there may be no record: this long for one to come. */
const NO_RECORD_DEADLINE_MS = 1_000;
/** Matches everything and never denies. */
const POLICY = `
apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: everything, namespace: default}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: llm}
  limits:
    all:
      rates: [{limit: 1000000000000, window: 24h}]
`;

export interface CorpusStack {
  stack: Stack;
  upstream: ReplayUpstream;
  close: () => Promise<void>;
}

/** Starts a stack whose upstream replays the cases. */
export async function startCorpusStack(cases: CorpusCase[]): Promise<CorpusStack> {
  const upstream = await startReplayUpstream(cases);
  try {
    const stack = await startStack({
      upstream: upstream.url,
      policies: { "everything.yaml": POLICY },
      store: "memory:",
    });
    return {
      stack,
      upstream,
      close: async () => {
        await upstream.close();
        await stack.stop();
      },
    };
  } catch (error) {
    await upstream.close();
    throw error;
  }
}

/**
 * Runs all cases in a mode. A stream that was cut ends with a broken connection when sent whole,
 * and properly when sent in pieces, so that both endings are seen.
 */
export async function runCases(
  { stack }: CorpusStack,
  cases: CorpusCase[],
  mode: Mode,
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  const queue = cases.entries();
  const worker = async () => {
    for (const [, each] of queue) {
      const problems = await runCase(stack, each, mode).catch((error: unknown) => [String(error)]);
      results.push({ case: each, mode, problems });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

/** Counts by provider and API, and each problem, as text. */
export function resultTable(results: CaseResult[]): string {
  const rows = new Map<string, Record<Mode, [passed: number, failed: number]>>();
  for (const { case: each, mode, problems } of results) {
    const name = `${each.provider.padEnd(16)} ${each.api.padEnd(18)}`;
    const row = rows.get(name) ?? { whole: [0, 0], "7-byte": [0, 0] };
    row[mode][problems.length === 0 ? 0 : 1] += 1;
    rows.set(name, row);
  }
  const cell = ([passed, failed]: [number, number]) =>
    `${String(passed).padStart(6)} ${failed === 0 ? "     -" : String(failed).padStart(6)}`;
  const lines = [...rows].sort().map(([name, row]) => {
    return `${name} ${cell(row.whole)}   ${cell(row["7-byte"])}`;
  });
  const failed = results.filter((result) => result.problems.length > 0);
  return [
    `${"".padEnd(35)}   whole          in 7-byte pieces`,
    `${"provider".padEnd(16)} ${"api".padEnd(18)} passed failed   passed failed`,
    ...lines,
    "",
    ...failed.map((result) => problemText(result)),
    `${results.length - failed.length} passed, ${failed.length} failed`,
  ].join("\n");
}

/** One line for each problem of a case. */
export function problemText({ case: each, mode, problems }: CaseResult): string {
  return problems.map((problem) => `${each.id} (${mode}): ${problem}`).join("\n");
}

async function runCase(stack: Stack, given: CorpusCase, mode: Mode): Promise<string[]> {
  const requestId = randomUUID();
  const body = requestBodyOf(given);
  const cut = given.id.endsWith("~cut") && mode === "whole";
  const reply = await send(stack.proxyUrl + given.request.path, {
    method: given.request.method,
    body,
    timeoutMs: REPLY_DEADLINE_MS,
    headers: {
      "content-type": "",
      ...given.request.headers,
      "x-request-id": requestId,
      "x-replay-case": given.id,
      ...(mode === "7-byte" ? { "x-replay-chunk-bytes": "7" } : {}),
      ...(cut ? { "x-replay-cut": "1" } : {}),
    },
  });
  const record = await recordIfAny(stack, requestId, given);
  return [
    ...replyProblems(given, reply),
    ...byteProblems(given, body, bodyOf(given), reply.body),
    ...recordProblems(given.expect, record),
  ];
}

function replyProblems(given: CorpusCase, reply: Reply): string[] {
  const problems: string[] = [];
  if (reply.status !== given.response.status) {
    problems.push(`status ${reply.status}, expected ${given.response.status}`);
  }
  for (const [name, value] of Object.entries(given.response.headers)) {
    const got = reply.headers[name.toLowerCase()];
    const framing = ["content-length", "transfer-encoding", "connection"];
    if (framing.includes(name.toLowerCase()) || got === value) continue;
    problems.push(`header ${name}: ${String(got)}, expected ${value}`);
  }
  return problems;
}

async function recordIfAny(
  stack: Stack,
  requestId: string,
  given: CorpusCase,
): Promise<UsageRecord | null> {
  const charged = given.expect.kind !== "error" && given.expect.kind !== "uncharged";
  const deadlineMs = charged ? RECORD_DEADLINE_MS : NO_RECORD_DEADLINE_MS;
  try {
    return await recordOf(stack.apiUrl, requestId, deadlineMs);
  } catch (error) {
    if ((error as Error).message.startsWith("no usage record")) return null;
    throw error;
  }
}
