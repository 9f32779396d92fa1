import { beforeAll, describe, expect, test } from "vitest";
import { WasmResult } from "./abi.ts";
import { BodyBuffer } from "./body-buffer.ts";
import { HeaderMap } from "./header-map.ts";
import { createHost, type Host, HostError, HostTrap, RefusedError, SharedData } from "./host.ts";
import { Metrics } from "./metrics.ts";
import { decodePairs, encodePairs } from "./pairs.ts";
import { compileProbe } from "./probe-module.ts";
import { serializeProperty } from "./property-value.ts";
import { encodeMetadata } from "./struct-proto.ts";

let wasm: Uint8Array;
beforeAll(async () => {
  wasm = await compileProbe();
});

const post = (mode: string) => ({ ":method": "POST", ":path": "/p", "x-mode": mode });

/** A module with one imported function and nothing else, in the binary format. */
function moduleImporting(from: string, name: string): Uint8Array {
  const text = (value: string) => [value.length, ...Buffer.from(value)];
  const imported = [1, ...text(from), ...text(name), 0, 0];
  const type = [1, 4, 1, 0x60, 0, 0];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...type,
    ...[2, imported.length, ...imported],
  ]);
}

describe("loading a module", () => {
  test.each([
    ["wasi_snapshot_preview1", "fd_write"],
    ["env", "abort"],
    ["env", "seed"],
  ])("refuses an import of %s.%s", (from, name) => {
    const module = moduleImporting(from, name);
    expect(() => createHost({ wasm: module })).toThrow(
      new HostError(`the module imports ${from}.${name}; only env.proxy_* is there`),
    );
  });

  test("names an unknown host function", () => {
    const module = moduleImporting("env", "proxy_make_tea");
    expect(() => createHost({ wasm: module })).toThrow(
      new HostError("unknown host function env.proxy_make_tea"),
    );
  });

  test("refuses a module without an ABI version", () => {
    const empty = Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    expect(() => createHost({ wasm: empty })).toThrow(
      new HostError("the module exports neither proxy_abi_version_0_2_1 nor _0_2_0"),
    );
  });
});

test("a configuration that is refused throws what was logged", () => {
  const host = createHost({ wasm, pluginConfiguration: "REFUSE" });
  expect(() => host.start()).toThrow(RefusedError);
  expect(() => host.start()).toThrow("info: configure 1 6 vm=0:0: plugin=0:6:REFUSE");
});

test("a trap names the callback, and nothing runs in the VM after it", () => {
  const host = createHost({ wasm }).start();
  const open = () => host.openStream({ requestHeaders: post("trap") });
  expect(open).toThrow("trap in proxy_on_request_headers of context 2: RuntimeError: unreachable");
  expect(() => host.tick()).toThrow(HostTrap);
});

describe("the clock", () => {
  test("ticks come by the period that the filter set, calls time out between them", () => {
    const host = createHost({ wasm, startMs: 1000 }).start();
    host.openStream({ requestHeaders: post("call-service") });
    expect(host.pendingCall("/slow")).toMatchObject({ timeoutMs: 200, sentAtMs: 1000 });
    host.advance(199);
    expect(host.pendingCalls()).toHaveLength(1);
    host.advance(1);
    expect(host.pendingCalls()).toHaveLength(0);
    expect(host.nowMs).toBe(1200);
    expect(host.logs.at(-2)).toEqual({
      level: "info",
      message: "call_response 1 token 4 3 24 0:504 0:24:upstream request timeout",
      atMs: 1200,
    });
  });

  test("a chunk is recorded with the time at which it reached the client", () => {
    const host = createHost({ wasm, startMs: 0 }).start();
    const stream = host.openStream({ requestHeaders: post("none"), endOfStream: true });
    stream.responseHeaders({ ":status": 200 });
    host.advance(5);
    stream.responseBody("a");
    host.advance(7);
    stream.responseBody("b", true);
    expect(stream.client.headersAtMs).toBe(0);
    expect(stream.client.chunks.map(({ atMs, bytes }) => [atMs, bytes.toString()])).toEqual([
      [5, "a"],
      [12, "b"],
    ]);
  });
});

describe("calls", () => {
  function callFrom(host: Host) {
    const stream = host.openStream({ requestHeaders: post("call-service"), endOfStream: true });
    return { stream, call: host.pendingCall("/slow") };
  }

  test("outlive their stream, which is then no context any more", () => {
    const host = createHost({ wasm }).start();
    const { stream, call } = callFrom(host);
    expect([call.cluster, call.method, call.contextId]).toEqual(["service", "GET", 2]);
    stream.disconnect();
    call.respond(200, {}, { some: "json" });
    expect(host.logs.slice(-2).map((line) => line.message)).toEqual([
      'call_response 1 token 4 1 15 0:200 0:15:{"some":"json"}',
      `effective ${WasmResult.BadArgument} path=2: body=0:0:`,
    ]);
  });

  test("that fail show the filter no headers", () => {
    const host = createHost({ wasm }).start();
    callFrom(host).call.fail();
    expect(host.logs.at(-2)?.message).toBe("call_response 1 token 4 0 0 2: 1:");
    expect(host.lastStatus()).toEqual({ code: WasmResult.BrokenConnection, message: "" });
  });

  test("can be answered once", () => {
    const host = createHost({ wasm }).start();
    const { call } = callFrom(host);
    call.refuse();
    expect(() => call.respond(200)).toThrow(new HostError("call 4 is answered"));
  });
});

describe("a test's own mistakes throw", () => {
  test("a response before the upstream has the request", () => {
    const host = createHost({ wasm }).start();
    const stream = host.openStream({ requestHeaders: post("hold") });
    expect(() => stream.responseHeaders({ ":status": 200 })).toThrow(
      new HostError("the upstream has not seen a request of stream 2"),
    );
    expect(stream.isRequestHeld).toBe(true);
  });

  test("data after the end", () => {
    const host = createHost({ wasm }).start();
    const stream = host.openStream({ requestHeaders: post("none"), endOfStream: true });
    expect(() => stream.requestBody("x")).toThrow(
      new HostError("body data came after the end of the stream"),
    );
  });
});

describe("trailers", () => {
  test("come after the body that was held", () => {
    const host = createHost({ wasm }).start();
    const stream = host.openStream({ requestHeaders: post("hold") });
    stream.requestBody("one");
    expect(stream.upstream.headers).toBeNull();
    stream.requestTrailers({ x: "1" });
    expect(host.logs.at(-1)?.message).toBe("request_trailers 1 body=0:3:one x=0:1");
    expect(stream.upstream.text).toBe("one");
    expect(stream.upstream.trailers?.toObject()).toEqual({ x: "1" });
    expect(stream.upstream.isEnded).toBe(true);
  });

  test("of a response end the stream", () => {
    const host = createHost({ wasm }).start();
    const stream = host.openStream({ requestHeaders: post("none"), endOfStream: true });
    stream.responseHeaders({ ":status": 200 });
    stream.responseTrailers({ x: "2" });
    expect(stream.client.trailers?.toObject()).toEqual({ x: "2" });
    expect(stream.isOver).toBe(true);
  });
});

test("shared data: compare and swap, across workers", () => {
  const shared = new SharedData();
  expect(shared.set("k", Buffer.from("1"), 9)).toBe(WasmResult.Ok);
  expect(shared.get("k")).toEqual({ value: Buffer.from("1"), cas: 1 });
  expect(shared.set("k", Buffer.from("2"), 2)).toBe(WasmResult.CasMismatch);
  expect(shared.set("k", Buffer.from("2"), 1)).toBe(WasmResult.Ok);
  expect(shared.set("k", Buffer.from("3"), 0)).toBe(WasmResult.Ok);
  expect(shared.get("k")).toEqual({ value: Buffer.from("3"), cas: 3 });
});

test("metrics: counters only grow, gauges are set, histograms sample", () => {
  const metrics = new Metrics();
  const counter = metrics.define(0, "c") as number;
  const gauge = metrics.define(1, "g") as number;
  const histogram = metrics.define(2, "h") as number;
  expect(metrics.define(3, "x")).toBeUndefined();
  expect(metrics.increment(counter, 2n)).toBe(WasmResult.Ok);
  expect(metrics.increment(counter, -1n)).toBe(WasmResult.BadArgument);
  expect(metrics.increment(gauge, -3n)).toBe(WasmResult.Ok);
  expect(metrics.increment(histogram, 1n)).toBe(WasmResult.BadArgument);
  expect(metrics.record(counter, 5n)).toBe(WasmResult.Ok);
  expect([metrics.value("c"), metrics.value("g"), metrics.read(histogram)]).toEqual([
    7,
    -3,
    undefined,
  ]);
  expect(metrics.record(999, 1n)).toBe(WasmResult.NotFound);
});

describe("set_buffer_bytes", () => {
  test.each([
    ["replaces the beginning", 0, 3, "XY", WasmResult.Ok, "XYdef"],
    ["replaces all", 0, 99, "XY", WasmResult.Ok, "XY"],
    ["prepends", 0, 0, "XY", WasmResult.Ok, "XYabcdef"],
    ["appends at the end", 6, 0, "XY", WasmResult.Ok, "abcdefXY"],
    ["appends past the end", 7, 5, "XY", WasmResult.Ok, "abcdefXY"],
    ["cannot change the middle", 1, 1, "XY", WasmResult.BadArgument, "abcdef"],
  ])("%s", (_what, start, length, text, result, content) => {
    const buffer = new BodyBuffer(Buffer.from("abc"));
    buffer.append(Buffer.from("def"));
    expect(buffer.set(start, length, Buffer.from(text))).toBe(result);
    expect(buffer.peek().toString()).toBe(content);
    expect(buffer.length).toBe(content.length);
  });
});

test("header maps: lower case, several values, replace keeps the first place", () => {
  const map = new HeaderMap({ "X-A": ["1", "2"], b: "3" });
  expect(map.get("x-a")).toBe("1");
  expect(map.toObject()).toEqual({ "x-a": "1,2", b: "3" });
  map.replace("X-a", "4");
  map.add("b", "5");
  map.replace("c", "6");
  expect(map.toPairs()).toEqual([
    ["x-a", "4"],
    ["b", "3"],
    ["b", "5"],
    ["c", "6"],
  ]);
  map.remove("B");
  expect([map.size, map.byteSize, map.has("b")]).toEqual([2, 6, false]);
});

test("pairs: layout, and broken layouts are not read", () => {
  const bytes = encodePairs([[Buffer.from("ab"), Buffer.from("c")]]);
  expect(bytes.toString("hex")).toBe("0100000002000000010000006162006300");
  expect(decodePairs(bytes)).toEqual([["ab", "c"]]);
  expect(decodePairs(bytes.subarray(0, 16))).toBeUndefined();
  expect(decodePairs(Buffer.from("ffffffff", "hex"))).toBeUndefined();
  expect(encodePairs([])).toHaveLength(0);
});

describe("dynamic metadata is the message that Envoy serialises", () => {
  test("a namespace", () => {
    // Bytes of get_property("metadata") from Envoy 1.40.
    expect(encodeMetadata({ ns2: { k: "v" } }).toString("hex")).toBe(
      "0a110a036e7332120a0a080a016b12031a0176",
    );
  });

  test.each([
    ["bool", "b", true, "0a070a016212022001"],
    ["number", "num", 12, "0a100a036e756d1209110000000000002840"],
    ["null", "nul", null, "0a090a036e756c12020800"],
    ["list", "list", [1, "a"], "0a1a0a046c697374121232100a0911000000000000f03f0a031a0161"],
    ["struct", "obj", { a: "x" }, "0a130a036f626a120c2a0a0a080a016112031a0178"],
  ])("%s", (_kind, key, value, entry) => {
    const length = (entry.length / 2).toString(16).padStart(2, "0");
    const whole = (entry.length / 2 + 5).toString(16).padStart(2, "0");
    expect(encodeMetadata({ m: { [key]: value } }).toString("hex")).toBe(
      `0a${whole}0a016d12${length}${entry}`,
    );
  });

  test("lengths over 127 take two bytes", () => {
    const bytes = encodeMetadata({ m: { k: "x".repeat(200) } });
    expect(bytes.subarray(0, 3).toString("hex")).toBe("0ada01");
    expect(bytes).toHaveLength(3 + 0xda);
  });
});

test("properties: numbers, times and lists", () => {
  expect(serializeProperty(200)?.toString("hex")).toBe("c800000000000000");
  expect(serializeProperty(1.5)?.toString("hex")).toBe("000000000000f83f");
  expect(serializeProperty(-1n)?.toString("hex")).toBe("ffffffffffffffff");
  expect(serializeProperty(new Date(1))?.readBigInt64LE()).toBe(1_000_000n);
  expect(serializeProperty({})?.toString("hex")).toBe("00000000");
  expect(serializeProperty({ a: null })).toBeUndefined();
});
