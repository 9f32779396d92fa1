/** Configuration that no service and no operator should send: to the filter, and to the plugin. */
import Type from "typebox";
import { Compile } from "typebox/compile";
import { FilterConfig } from "../../limitador-bridge/contract/filter.ts";
import { createHost, type Host, RefusedError } from "../host/host.ts";
import { answerConfig, makeFilterConfig, releaseWasm } from "../host/tollgate.ts";
import type { Corpus } from "./corpus.ts";
import { runExchange } from "./exchange.ts";
import {
  exchangeOnce,
  FILTER_CONFIG,
  type Filters,
  plainExchange,
  startFilters,
} from "./exchange-corpus.ts";
import { mutate } from "./mutate.ts";
import { nesting } from "./nesting.ts";
import { once, pick, type Random, randomBytes } from "./random.ts";

/** What the filter meters by; without the rest it does with what it has of its own. */
const { version, failureMode, apis, sniff, attributes, request, response } =
  FilterConfig.properties;
const METERED_BY = { version, failureMode, apis, sniff, attributes, request, response };
const filterConfigs = Compile(Type.Object(METERED_BY));
const ODD = [null, [], {}, 5, "", true, [null], [[]], [{}], { "": [] }, ["/", "~", "/~2", "a"]];
/** Containers within each other that the filter surely reads. */
const SAFE_DEPTH = 60;
/** Ticks of 100 ms until the filter has polled again. */
const POLL_TICKS = 30;

/** A filter config that cannot be read leaves the last good one in force. */
export const filterConfigCorpus: Corpus<Filters> = {
  name: "filter-configs",
  percent: 4,
  start: startFilters,
  memoryBytes: ({ allow, deny }) => allow.memoryBytes + deny.memoryBytes,
  run: ({ allow: host }, random) => {
    const garbage = wildConfig(random);
    const status = once(random, 12) ? pick(random, [304, 404, 500]) : 200;
    host.logs.length = 0;
    answerPoll(host, status, garbage);
    const isTaken = host.logText().includes("in force");
    const problem = problemOf(garbage);
    if (isTaken && problem !== null) throw new Error(`in force, although ${problem}: ${garbage}`);
    // One that is taken may meter nothing, or other things: what it says is not foretold here.
    if (isTaken) runExchange(host, plainExchange(random), random);
    else exchangeOnce(host, true, "json", random);
    answerPoll(host, 200, goodConfig(random));
    exchangeOnce(host, true, "json", random);
  },
};

function answerPoll(host: Host, status: number, body: Buffer): void {
  for (let tick = 0; tick < POLL_TICKS; tick++) {
    const [poll] = host.pendingCalls("/v1/filter-config");
    if (poll !== undefined) {
      poll.respond(status, {}, body);
      return;
    }
    host.advance(100);
  }
  throw new Error("the filter does not poll any more");
}

function goodConfig(random: Random): Buffer {
  const version = `v${random(1_000_000)}`;
  return Buffer.from(JSON.stringify(makeFilterConfig({ ...FILTER_CONFIG, version })));
}

/** A small config, so that damage hits what matters; now and then the service's own. */
function wildConfig(random: Random): Buffer {
  if (once(random, 15)) return randomBytes(random, random(200));
  const config = JSON.parse(goodConfig(random).toString("utf8"));
  if (!once(random, 4)) {
    config.apis = config.apis.slice(0, 3);
    config.request = { ...config.request, prompt: ["/messages"], maxOutputTokens: ["/max_tokens"] };
    const text = ["/choices/*/delta/content"];
    config.response = { ...config.response, usage: ["/usage"], facts: ["/model"], text };
  }
  if (once(random, 3)) return mutate(random, Buffer.from(JSON.stringify(config)));
  const holder = pick(random, [config, config, config.request, config.response, config.attributes]);
  const key = pick(random, Object.keys(holder));
  if (once(random, 4)) delete holder[key];
  else holder[key] = pick(random, ODD);
  return Buffer.from(JSON.stringify(config));
}

/** What is not as the contract has it; null: nothing, or it is nested too deeply to say. */
function problemOf(body: Buffer): string | null {
  if (nesting(body) > SAFE_DEPTH) return null;
  try {
    const [error] = filterConfigs.Errors(JSON.parse(body.toString("utf8")));
    return error === undefined ? null : `${error.instancePath} ${error.message}`;
  } catch (error) {
    return (error as Error).message;
  }
}

const PLUGIN_CONFIGURATION = {
  cluster: "tollgate",
  hold_headers: true,
  failure_mode: "allow",
  token: "secret",
  admit_timeout_ms: 200,
  poll_interval_ms: 1000,
  flush_interval_ms: 100,
  max_request_body_bytes: 100_000,
  settle_batch_records: 10,
  settle_queue_bytes: 100_000,
};

/** Refused with words, or taken: then the filter works. */
export const pluginConfigurationCorpus: Corpus<Uint8Array> = {
  name: "plugin-configurations",
  percent: 2,
  start: releaseWasm,
  run: (wasm, random) => {
    const pluginConfiguration = wildPluginConfiguration(random);
    const host = createHost({ wasm, pluginConfiguration });
    try {
      host.start();
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      // A key that is refused may begin with line ends.
      if (!/^error: \s*\S/m.test(host.logText())) throw new Error("refused without a word");
      return;
    }
    host.advance(10);
    answerConfig(host, makeFilterConfig(FILTER_CONFIG));
    for (let i = 0; i < 3; i++) runExchange(host, plainExchange(random), random);
  },
};

function wildPluginConfiguration(random: Random): string {
  if (once(random, 10)) return randomBytes(random, random(200)).toString("latin1");
  if (once(random, 3)) {
    const text = JSON.stringify(PLUGIN_CONFIGURATION);
    return mutate(random, Buffer.from(text)).toString("utf8");
  }
  const changed: Record<string, unknown> = { ...PLUGIN_CONFIGURATION };
  const key = pick(random, Object.keys(changed));
  const numbers = [0, 1, -1, 10, 1000, 60_000, 2 ** 31, 2 ** 32, 2 ** 53, 1e30, 0.5];
  changed[key] = once(random, 2) ? pick(random, numbers) : pick(random, [...ODD, "deny", "😀"]);
  return JSON.stringify(changed);
}
