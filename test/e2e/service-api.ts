/** What the tests read from the budget service. */
import { setTimeout as sleep } from "node:timers/promises";
import type { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import type { PolicyStatus } from "../../limitador-bridge/policy/policy-set.ts";
import { send } from "./client.ts";

const RECORD_DEADLINE_MS = 5_000;
const POLL_MS = 25;

/** Records of one request, or an empty list. */
export async function recordsOf(apiUrl: string, requestId: string): Promise<UsageRecord[]> {
  const reply = await send(`${apiUrl}/v1/usage?requestId=${encodeURIComponent(requestId)}`);
  if (reply.status !== 200) throw new Error(`/v1/usage answered ${reply.status}: ${reply.text}`);
  return (JSON.parse(reply.text) as { records: UsageRecord[] }).records;
}

/** Waits for the one record of a request. Throws when there is none in time, or more than one. */
export async function recordOf(
  apiUrl: string,
  requestId: string,
  deadlineMs = RECORD_DEADLINE_MS,
): Promise<UsageRecord> {
  const until = Date.now() + deadlineMs;
  for (;;) {
    const records = await recordsOf(apiUrl, requestId);
    if (records.length > 1) throw new Error(`${records.length} records of request ${requestId}`);
    if (records[0] !== undefined) return records[0];
    if (Date.now() > until) {
      throw new Error(`no usage record of request ${requestId} in ${deadlineMs} ms`);
    }
    await sleep(POLL_MS);
  }
}

/** The status of each policy, and the version in force. */
export async function policiesOf(
  apiUrl: string,
): Promise<{ version: string; failureMode: string; policies: PolicyStatus[] }> {
  const reply = await send(`${apiUrl}/v1/policies`);
  if (reply.status !== 200) throw new Error(`/v1/policies answered ${reply.status}: ${reply.text}`);
  return JSON.parse(reply.text) as Awaited<ReturnType<typeof policiesOf>>;
}

/**
 * Sum of a metric's samples that have these labels; 0 where there is none.
 * Text format of Prometheus 0.0.4: `name{label="value",…} number`.
 */
export async function metric(
  apiUrl: string,
  name: string,
  labels: Record<string, string> = {},
): Promise<number> {
  const { text } = await send(`${apiUrl}/metrics`);
  let sum = 0;
  for (const line of text.split("\n")) {
    const sample = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)/.exec(line);
    if (sample?.[1] !== name) continue;
    const has = ([label, value]: [string, string]) =>
      sample[2]?.includes(`${label}=${JSON.stringify(value)}`) ?? false;
    if (Object.entries(labels).every(has)) sum += Number(sample[3]);
  }
  return sum;
}
