/** However the service answers to settlements, each is taken once, and none is lost unsaid. */
import type { SettlementRecord } from "../../limitador-bridge/contract/filter.ts";
import type { Host, HttpCall } from "../host/host.ts";
import { request, settleRecords, startTollgate } from "../host/tollgate.ts";
import type { Corpus } from "./corpus.ts";
import { once, pick, type Random, randomBytes } from "./random.ts";

const ALLOW = { verdict: "allow", reservation: "r", requestHeaders: {}, responseHeaders: {} };
const BODY = { model: "gpt-4o", messages: [] };
const WILD_ROUNDS = 6;
/** The longest back-off is 5 s. */
const MOST_ROUNDS = 100;
const ROUND_MS = 300;

interface Settling {
  host: Host;
  /** Of this input: what the service has taken, and what it has refused for good. */
  taken: Set<string>;
  refused: Set<string>;
}

export const settleAnswerCorpus: Corpus<Settling> = {
  name: "settle-answers",
  percent: 5,
  start: () => ({
    host: startTollgate({ configuration: { settle_batch_records: 3 } }),
    taken: new Set(),
    refused: new Set(),
  }),
  memoryBytes: ({ host }) => host.memoryBytes,
  run: (state, random) => {
    const { host, taken, refused } = state;
    taken.clear();
    refused.clear();
    host.calls.length = 0;
    host.logs.length = 0;
    let exchanges = 0;
    for (let round = 0; round < WILD_ROUNDS; round++) {
      for (let i = random(4); i > 0; i--) exchanges += exchangeOnce(host, random);
      answerRound(state, (call) => wildAnswer(state, call, random));
    }
    for (let round = 0; round < MOST_ROUNDS && taken.size + refused.size < exchanges; round++) {
      answerRound(state, (call) => take(state, call));
    }
    const told = `${taken.size} taken, ${refused.size} refused of ${exchanges}`;
    if (taken.size + refused.size !== exchanges) throw new Error(`settlements are lost: ${told}`);
    if (host.metrics.value("tollgate_settlements_waiting") === undefined) {
      throw new Error("the metric of waiting settlements is gone");
    }
  },
};

function exchangeOnce(host: Host, random: Random): number {
  const stream = request(host, BODY);
  for (const call of host.pendingCalls("/v1/admit")) {
    if (once(random, 10)) call.fail();
    else call.respond(200, {}, ALLOW);
  }
  stream.disconnect();
  return 1;
}

function answerRound({ host }: Settling, answer: (call: HttpCall) => void): void {
  host.advance(ROUND_MS);
  for (const poll of host.pendingCalls("/v1/filter-config")) poll.respond(304);
  for (const call of host.pendingCalls("/v1/settle")) answer(call);
}

function take(state: Settling, call: HttpCall): void {
  for (const { id } of recordsOf(state, call)) state.taken.add(id);
  call.respond(200, {}, { accepted: 1, duplicate: 0 });
}

/** The records of a call. Throws where one was taken or refused before. */
function recordsOf({ taken, refused }: Settling, call: HttpCall): SettlementRecord[] {
  const records = settleRecords(call);
  const again = records.find(({ id }) => taken.has(id) || refused.has(id));
  if (again !== undefined) throw new Error(`${again.id} is settled again after its answer`);
  return records;
}

function wildAnswer(state: Settling, call: HttpCall, random: Random): void {
  const records = recordsOf(state, call);
  const garbage = randomBytes(random, random(50));
  switch (random(6)) {
    case 0:
      call.fail();
      return;
    case 1:
      call.timeOut();
      return;
    case 2:
      call.respond(pick(random, [0, 204, 301, 401, 413, 429, 500, 503]), {}, garbage);
      return;
    case 3:
      if (records.length === 1) for (const { id } of records) state.refused.add(id);
      call.respond(400, {}, garbage);
      return;
    case 4:
      return;
    default:
      for (const { id } of records) state.taken.add(id);
      call.respond(200, {}, garbage);
  }
}
