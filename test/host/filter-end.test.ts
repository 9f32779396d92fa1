/** What a filter does with what it still has when Envoy ends it. */
import { expect, test } from "vitest";
import {
  admit,
  CHAT,
  CHAT_ANSWER,
  request,
  respondJson,
  settleRecords,
  startTollgate,
} from "./tollgate.ts";

const batches = (records: number) =>
  startTollgate({ configuration: { settle_batch_records: records } });

function exchange(host: ReturnType<typeof startTollgate>): void {
  const stream = request(host, CHAT);
  admit(host);
  respondJson(stream, CHAT_ANSWER);
}

test("settlements are sent at once, though the last batch failed just now", () => {
  const host = batches(1);
  exchange(host);
  host.pendingCall("/v1/settle").respond(500, {}, "");
  expect(host.stop()).toBe(false);
  const call = host.pendingCall("/v1/settle");
  expect(settleRecords(call)).toHaveLength(1);
  call.respond(200, {}, { accepted: 1, duplicate: 0 });
  expect(host.isDone).toBe(true);
  expect(host.metrics.value("tollgate_settlements_lost")).toBe(0);
  expect(host.metrics.value("tollgate_settlements_waiting")).toBe(0);
});

test("what the service does not take then is told as lost", () => {
  const host = batches(2);
  for (let i = 0; i < 3; i++) exchange(host);
  expect(host.stop()).toBe(false);
  host.pendingCall("/v1/settle").respond(200, {}, { accepted: 2, duplicate: 0 });
  host.pendingCall("/v1/settle").respond(500, {}, "");
  expect(host.isDone).toBe(true);
  expect(host.metrics.value("tollgate_settlements_lost")).toBe(1);
  expect(host.metrics.value("tollgate_settlements_waiting")).toBe(0);
  expect(host.logText()).toContain("the settlement queue ends, 1 settlements lost so far");
});

test("its circuit is no longer told as open", () => {
  const host = batches(1);
  request(host, CHAT);
  host.pendingCall("/v1/admit").timeOut();
  expect(host.metrics.value("tollgate_circuit_open")).toBe(1);
  expect(host.stop()).toBe(true);
  expect(host.metrics.value("tollgate_circuit_open")).toBe(0);
});

test("…whatever is answered to it before it is gone", () => {
  const host = batches(1);
  exchange(host);
  host.advance(1000);
  const poll = host.pendingCall("/v1/filter-config");
  request(host, CHAT);
  host.pendingCall("/v1/admit").timeOut();
  request(host, CHAT);
  expect(host.metrics.value("tollgate_circuit_open")).toBe(1);
  expect(host.stop()).toBe(false);
  expect(host.metrics.value("tollgate_circuit_open")).toBe(0);
  poll.respond(304, {}, "");
  expect(host.metrics.value("tollgate_circuit_open")).toBe(0);
  host.pendingCall("/v1/settle").refuse();
  expect(host.isDone).toBe(true);
  expect(host.metrics.value("tollgate_circuit_open")).toBe(0);
});

test("nor does a settlement that is not answered then open it", () => {
  const host = batches(1);
  exchange(host);
  expect(host.stop()).toBe(false);
  host.pendingCall("/v1/settle").refuse();
  expect(host.isDone).toBe(true);
  expect(host.metrics.value("tollgate_circuit_open")).toBe(0);
  expect(host.metrics.value("tollgate_settlements_lost")).toBe(1);
});
