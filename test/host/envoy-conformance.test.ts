/**
 * The host shows a filter what Envoy 1.40 shows it: every line below was logged by the probe
 * filter in a real Envoy (fixtures/envoy-1.40-recording.json; README.md says how).
 */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { createHost, type Host, type Stream, type StreamOptions } from "./host.ts";
import { compileProbe } from "./probe-module.ts";

interface Recorded {
  wasm: string[];
  upstream: string[];
  client: string[];
}

const file = new URL("./fixtures/envoy-1.40-recording.json", import.meta.url);
const recording = JSON.parse(readFileSync(file, "utf8")) as Record<string, Recorded>;

const METADATA = {
  ns1: { str: "hello", num: 12, b: true, nul: null, list: [1, "a"], obj: { a: "x", n: "1.5" } },
  ns2: { k: "v" },
};
const PROPERTIES =
  "request.path,request.url_path,request.query,request.method,request.protocol," +
  "request.headers.x-mode,connection.mtls,metadata.filter_metadata.ns1.num," +
  "metadata.filter_metadata.ns1.str,metadata.filter_metadata.ns1.obj," +
  "metadata.filter_metadata.ns1.b,metadata.filter_metadata.ns1.nul," +
  "metadata.filter_metadata.ns1.list,metadata.filter_metadata.ns1,metadata.filter_metadata.ns2," +
  "metadata.filter_metadata.none,metadata.filter_metadata,metadata.nothing,route_name," +
  "xds.route_name,plugin_name,nosuch,request.nosuch,response.code,response.flags," +
  "request.duration,request.headers.nope,request";
const LARGE = "a".repeat(800_000);
const SERVICE_HEADERS = { date: "now", server: "envoy", via: "service", connection: "close" };

let wasm: Uint8Array;
beforeAll(async () => {
  wasm = await compileProbe();
});

function start(): Host {
  const host = createHost({
    wasm,
    pluginConfiguration: "CONF",
    vmConfiguration: "VMCONF",
    clusters: ["service", "dead", "empty"],
    properties: { plugin_name: "probe", xds: { node: { id: "node-1" }, route_name: "theroute" } },
  });
  return host.start();
}

function open(host: Host, mode: string, options: Partial<StreamOptions> & { path?: string } = {}) {
  const { path = "/p?q=1", ...rest } = options;
  return host.openStream({
    requestHeaders: {
      ":method": options.endOfStream ? "GET" : "POST",
      ":path": path,
      ":authority": "localhost",
      ":scheme": "http",
      "x-mode": mode,
      "x-properties": PROPERTIES,
    },
    properties: { metadata: METADATA },
    ...rest,
  });
}

/** The client's side of the recording: three chunks, then the end by itself. */
function sendBody(stream: Stream, parts = ["one", "two", "three"], afterEach = () => {}): void {
  for (const part of parts) {
    stream.requestBody(part);
    afterEach();
  }
  stream.requestBody("", true);
}

/** The upstream's side of the recording. */
function answer(stream: Stream, afterEach = () => {}): void {
  if (stream.isOver || stream.upstream.headers === null) return;
  stream.responseHeaders({ ":status": 200, "content-type": "text/x" });
  for (const part of ["aaa", "bbb", "ccc"]) {
    if (stream.isOver) return;
    stream.responseBody(part);
    afterEach();
  }
  if (!stream.isOver) stream.responseBody("", true);
}

function answerCalls(host: Host): void {
  for (const call of host.pendingCalls("/admit")) call.respond(200, SERVICE_HEADERS, "okadm");
}

function observed(host: Host, stream: Stream): Recorded {
  const wasmLines = host.logs.map(({ message }) =>
    message
      .replace(/^(create|request_headers|delete) \d+/, "$1 S")
      .replace(/token [1-9]\d*/, "token T"),
  );
  const { upstream, client } = stream;
  const request = upstream.headers;
  const shown = upstream.text.slice(0, 30);
  const added = request?.get("x-added") ?? "";
  const line = `${request?.get(":method")} ${request?.get(":path")} ${upstream.bodyBytes}:${shown}`;
  const end = client.isEnded ? ["end"] : client.isReset ? ["cut"] : [];
  const head = client.status === undefined ? [] : [`client ${client.status}`];
  const chunks = client.chunks.map((chunk) => `chunk ${chunk.bytes.toString("utf8")}`);
  return {
    wasm: wasmLines,
    // A request that was cut before its end never got to the recording's upstream.
    upstream: upstream.isEnded ? [`${line} added=${added}`] : [],
    client: [...head, ...chunks, ...end],
  };
}

const SIMPLE = [
  "none",
  "reply",
  "reply-empty",
  "hold",
  "hold-set",
  "hold-reply",
  "continue-now",
  "close",
  "body-reply",
  "response-set",
  "response-empty",
  "response-hold",
  "response-buffer",
  "response-reply",
  "call-none",
];

/** What a test does with the stream in each scenario; the name is the recording's. */
const SCENARIOS: Record<string, (host: Host) => Stream> = {
  ...Object.fromEntries(
    SIMPLE.map((mode) => [
      mode,
      (host: Host) => {
        const stream = open(host, mode);
        sendBody(stream);
        answer(stream);
        return stream;
      },
    ]),
  ),
  get: (host) => {
    const stream = open(host, "none", { endOfStream: true });
    answer(stream);
    return stream;
  },
  properties: (host) => {
    const stream = open(host, "properties", { endOfStream: true });
    answer(stream);
    return stream;
  },
  "hold-call": (host) => callWhileHeld(host, "hold-call"),
  "hold-call-reply": (host) => callWhileHeld(host, "hold-call-reply"),
  "resume-early": (host) => {
    const stream = open(host, "resume-early");
    sendBody(stream, undefined, () => answerCalls(host));
    answer(stream);
    return stream;
  },
  "call-service": (host) => {
    const stream = open(host, "call-service");
    sendBody(stream);
    // 200 ms are the call's time-out, and pass with the first chunk of the response.
    answer(stream, () => host.advance(200));
    return stream;
  },
  "call-dead": (host) => {
    const stream = open(host, "call-dead");
    sendBody(stream, undefined, () => {
      for (const call of host.pendingCalls("/slow")) call.refuse();
    });
    answer(stream);
    return stream;
  },
  "call-empty": (host) => {
    host.hasEndpoints = false;
    const stream = open(host, "call-empty");
    sendBody(stream);
    answer(stream);
    return stream;
  },
  "hold-large": (host) => {
    const stream = open(host, "hold-large");
    sendBody(stream, [LARGE, LARGE]);
    return stream;
  },
  "stop-all": (host) => {
    const stream = open(host, "stop-all", { stopAllOnHeaderStop: true });
    sendBody(stream);
    host.advance(600);
    answer(stream);
    return stream;
  },
  "stop-all-large": (host) => {
    const stream = open(host, "stop-all", { stopAllOnHeaderStop: true });
    // Envoy reads no further than the buffer limit while all is stopped.
    stream.requestBody(LARGE);
    stream.requestBody(LARGE);
    host.advance(600);
    stream.requestBody(LARGE);
    stream.requestBody("", true);
    answer(stream);
    return stream;
  },
  "stop-all-timeout": (host) => {
    const stream = open(host, "hold", { stopAllOnHeaderStop: true });
    sendBody(stream);
    stream.timeOutIdle();
    return stream;
  },
  reset: (host) => {
    const stream = open(host, "none", { path: "/reset" });
    sendBody(stream, ["x"]);
    stream.responseHeaders({ ":status": 200, "content-type": "text/plain" });
    stream.responseBody("part1");
    stream.resetUpstream("protocol_error");
    return stream;
  },
  reset0: (host) => {
    const stream = open(host, "none", { path: "/reset0" });
    sendBody(stream, ["x"]);
    stream.resetUpstream();
    return stream;
  },
  disconnect: (host) => {
    const stream = open(host, "none");
    sendBody(stream, ["x"]);
    stream.responseHeaders({ ":status": 200, "content-type": "text/x" });
    stream.responseBody("aaa");
    stream.responseBody("bbb");
    stream.disconnect();
    return stream;
  },
};

function callWhileHeld(host: Host, mode: string): Stream {
  const stream = open(host, mode);
  sendBody(stream);
  answerCalls(host);
  answer(stream);
  return stream;
}

test("start shows what Envoy 1.40 shows", () => {
  const host = start();
  expect(host.logs.map((line) => line.message)).toEqual(recording.start?.wasm);
  expect(host.tickPeriodMs).toBe(300);
});

describe("a stream goes as in Envoy 1.40", () => {
  test.each(Object.keys(recording).filter((name) => name !== "start"))("%s", (name) => {
    const host = start();
    host.logs.length = 0;
    const scenario = SCENARIOS[name];
    if (scenario === undefined) throw new Error(`no scenario for the recorded ${name}`);
    const stream = scenario(host);
    expect(observed(host, stream)).toEqual(recording[name]);
    expect(stream.isOver).toBe(true);
    expect(host.contextCount).toBe(1);
  });
});
