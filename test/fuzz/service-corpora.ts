/** Bad messages of filters against the service, with a ledger that has to stay right. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Compile } from "typebox/compile";
import { createPrices, SERVICE_KINDS } from "../../limitador-bridge/admission/price-source.ts";
import { counterNames } from "../../limitador-bridge/api/counter-names.ts";
import type { SettlementRecord } from "../../limitador-bridge/contract/filter.ts";
import { UsageRecord } from "../../limitador-bridge/contract/usage-record.ts";
import { createRatios } from "../../limitador-bridge/estimate/ratios.ts";
import type { CounterView } from "../../limitador-bridge/ledger/store/store.ts";
import { loadPolicies } from "../../limitador-bridge/policy/load.ts";
import { loadCatalogue } from "../../limitador-bridge/pricing/catalogue.ts";
import { CAPTURE } from "../../limitador-bridge/usage/capture-pointers.ts";
import { interpretUsage } from "../../limitador-bridge/usage/interpret.ts";
import { createService, type Service } from "../unit/service/service-fixture.ts";
import type { Corpus } from "./corpus.ts";
import { mutate } from "./mutate.ts";
import { once, type Random } from "./random.ts";
import { admitMessage, damagedMessage, settlementMessage } from "./service-messages.ts";

export interface Ledger {
  /** Plain limits for each user, so that what they count can be foretold. */
  plain: Service;
  /** CEL policies as people write them. */
  policies: Service;
  messages: number;
}

const LIMIT = Number.MAX_SAFE_INTEGER;
/** Requests are not among them: a background response is one, however many exchanges show it. */
const UNITS = ["total", "input", "output", "usd"] as const;
type TokensOrMoney = (typeof UNITS)[number];
const PAGE = 1000;
const CLIPPED = 256;
const LONG = "(all long names)";
/** What may be logged at level error: nothing else goes wrong inside. */
const EXPECTED_ERRORS = new Set(["malformed settlement: charged by estimate"]);
const usageRecords = Compile(UsageRecord);

const POLICIES = `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: llm, namespace: default}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: api-gateway}
  limits:
    groups:
      rates: [{limit: 20000, window: 24h}]
      when:
        - predicate: request.path == "/v1/chat/completions"
        - predicate: request.headers["x-groups"].split(",").exists(g, g == "free")
      counters:
        - expression: request.headers["x-user"]
    bodies:
      rates: [{limit: 100000, window: 1h}]
      when:
        - predicate: requestBodyJSON('/user') != "nobody"
        - predicate: llm.model.startsWith("gpt")
      counters:
        - expression: auth.sub
---
apiVersion: tollgate.dev/v1alpha1
kind: Identity
metadata: {name: default}
spec:
  team: request.headers["x-team"]
  user: 'has(auth.sub) ? string(auth.sub) : request.headers["x-user"]'
  trustedHeaders: [x-team, x-user]
`;

async function loadAll() {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-fuzz-"));
  try {
    writeFileSync(join(folder, "policies.yaml"), POLICIES);
    const loaded = await loadPolicies(folder, { kinds: SERVICE_KINDS });
    const [problem] = loaded.problems;
    if (problem !== undefined) throw new Error(`${problem.field}: ${problem.message}`);
    const catalogue = await loadCatalogue();
    return { set: loaded.set, prices: createPrices({ catalogue, policies: loaded, prices: null }) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The corpora: admissions and settlements. */
export async function serviceCorpora(): Promise<Corpus<Ledger>[]> {
  const { set, prices } = await loadAll();
  const ratios = createRatios();
  const parts = {
    capture: CAPTURE,
    interpret: (record: Parameters<typeof interpretUsage>[0]) => interpretUsage(record, ratios),
    prices: () => prices,
  };
  const limits = UNITS.map((unit) => ({ unit, limit: unit, amount: LIMIT }));
  const start = (): Ledger => ({
    plain: createService({ limits, overrides: parts }),
    policies: createService({ overrides: { ...parts, policies: () => set } }),
    messages: 0,
  });
  return [
    { name: "admit-messages", percent: 5, start, run: admitOnce, finish: checkLedger },
    { name: "settle-messages", percent: 10, start, run: settleOnce, finish: checkLedger },
  ];
}

async function admitOnce(ledger: Ledger, random: Random): Promise<void> {
  const message = admitMessage(random, `admit-${ledger.messages++}`);
  const payload = JSON.stringify(once(random, 4) ? message : damagedMessage(random, message));
  const service = once(random, 2) ? ledger.plain : ledger.policies;
  const status = await post(service, "/v1/admit", damagedText(random, payload));
  checkService(service, status);
}

async function settleOnce(ledger: Ledger, random: Random): Promise<void> {
  const records = Array.from({ length: 1 + random(3) }, () => {
    const id = `settle-${ledger.messages++}`;
    const message = settlementMessage(random, id);
    return once(random, 3) ? message : damagedMessage(random, message);
  });
  const service = once(random, 3) ? ledger.policies : ledger.plain;
  const payload = JSON.stringify({ records });
  const isAsked = once(random, 4);
  if (isAsked) await admitFirst(service, records[0] as Partial<SettlementRecord>, random);
  // What was asked of one user and settled of another would be counted for the first.
  const bytes = isAsked ? payload : damagedText(random, payload);
  for (let sent = once(random, 4) ? 0 : 1; sent < 2; sent++) {
    checkService(service, await post(service, "/v1/settle", bytes));
  }
}

/** Asks before, as the filter does, so that the settlement finds its hold. */
async function admitFirst(
  service: Service,
  { id = "x", attributes = {} }: Partial<SettlementRecord>,
  random: Random,
): Promise<void> {
  const message = { ...admitMessage(random, id), attributes };
  checkService(service, await post(service, "/v1/admit", JSON.stringify(message)));
}

function damagedText(random: Random, payload: string): Buffer {
  const bytes = Buffer.from(payload);
  return once(random, 5) ? mutate(random, bytes) : bytes;
}

async function post(service: Service, url: string, payload: string | Buffer): Promise<number> {
  const headers = { "content-type": "application/json" };
  const response = await service.app.inject({ method: "POST", url, headers, payload });
  return response.statusCode;
}

function checkService({ logged }: Service, status: number): void {
  const error = logged.find(
    ({ level, message }) => level === "error" && !EXPECTED_ERRORS.has(message),
  );
  if (error !== undefined) {
    const { err, ...fields } = error.fields as { err?: Error };
    throw new Error(`logged: ${error.message} ${JSON.stringify(fields)} ${err?.stack ?? ""}`);
  }
  logged.length = 0;
  if (status !== 200 && status !== 400) throw new Error(`answered ${status}`);
}

/** Every record is as its schema says, and each user's counters are the sums of its records. */
async function checkLedger({ plain, policies }: Ledger): Promise<void> {
  await recordsOf(policies);
  const records = await recordsOf(plain);
  const counters = await plain.store.counters("", LIMIT);
  for (const unit of UNITS) {
    const counted = new Map<string, bigint>();
    for (const view of counters) {
      if (view.unit === unit) add(counted, counterUser(view), view.used);
    }
    const recorded = new Map<string, bigint>();
    for (const record of records) add(recorded, recordUser(record), amountOf(record, unit));
    for (const [user, sum] of recorded) {
      const used = counted.get(user) ?? 0n;
      // A counter stays at the largest safe integer.
      if (sum < BigInt(LIMIT) ? used === sum : used >= BigInt(LIMIT)) continue;
      throw new Error(`${unit} of ${user}: the counter has ${used}, records ${sum}`);
    }
  }
}

function add(sums: Map<string, bigint>, user: string, amount: number): void {
  sums.set(user, (sums.get(user) ?? 0n) + BigInt(amount));
}

function counterUser({ key }: CounterView): string {
  const [user = ""] = counterNames(key)?.counters ?? [];
  return user.startsWith("sha256:") ? LONG : wellFormed(user);
}

/** Keys are hashed where they are long; records have long names clipped. */
function recordUser({ user }: UsageRecord): string {
  const name = String(user);
  return name.length >= CLIPPED ? LONG : wellFormed(name);
}

/** Half a surrogate pair is U+FFFD wherever it goes through UTF-8. */
function wellFormed(name: string): string {
  return name.replace(/\p{Surrogate}/gu, "\ufffd");
}

async function recordsOf({ store, parts }: Service): Promise<UsageRecord[]> {
  await parts.denialRecords.flush();
  const records: UsageRecord[] = [];
  let cursor: string | null = null;
  do {
    const page = await store.records({ limit: PAGE, ...(cursor === null ? {} : { cursor }) });
    records.push(...page.records);
    cursor = page.next;
  } while (cursor !== null);
  const wrong = records.find((record) => !usageRecords.Check(record));
  if (wrong !== undefined) throw new Error(`no usage record: ${JSON.stringify(wrong)}`);
  return records;
}

function amountOf(record: UsageRecord, unit: TokensOrMoney): number {
  return unit === "usd" ? record.costNanoUsd : record.tokens[unit];
}
