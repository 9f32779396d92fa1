import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findPeers, type PeerAnnouncement, readLine, startPeers } from "./peers.ts";

const nothing = (): PeerAnnouncement => ({ url: null, headers: {} });

describe("what a peer prints", () => {
  test("its URL and the headers that it wants", () => {
    const announced = nothing();
    for (const line of [
      "starting",
      "header authorization: Bearer sk-1",
      "url http://127.0.0.1:4000/llm",
    ]) {
      readLine(line, announced);
    }
    expect(announced.url?.href).toBe("http://127.0.0.1:4000/llm");
    expect(announced.headers).toEqual({ authorization: "Bearer sk-1" });
  });

  test.each(["url 4000", "url https://127.0.0.1:4000", "url http://example.org"])(
    "%s: not a plain server on this machine",
    (line) => {
      expect(() => readLine(line, nothing())).toThrow('expected "url http://127.0.0.1:port');
    },
  );

  test("a header without a name", () => {
    expect(() => readLine("header : x", nothing())).toThrow('expected "header name: value"');
  });
});

describe("peers in folders", () => {
  let own: string;
  let added: string;

  beforeEach(() => {
    own = mkdtempSync(join(tmpdir(), "tollgate-peers-"));
    added = mkdtempSync(join(tmpdir(), "tollgate-peers-"));
  });

  afterEach(() => {
    for (const folder of [own, added]) rmSync(folder, { recursive: true });
  });

  const add = (parent: string, name: string, script: string) => {
    const start = join(parent, name, "start");
    mkdirSync(join(parent, name));
    writeFileSync(start, `#!/bin/sh\n${script}\n`);
    chmodSync(start, 0o755);
  };
  const start = async () => {
    const started: string[] = [];
    const missing = await startPeers(
      findPeers(own, added),
      { envoy: "", upstreamPort: 8000 },
      (chain) => {
        started.push(`${chain.name} at ${chain.url.href}`);
        void chain.stop();
      },
    );
    return { started, missing };
  };

  test("those of the bench come first; what has no start is none", () => {
    add(own, "gamma", "");
    add(added, "alpha", "");
    add(added, "beta", "");
    mkdirSync(join(added, "notes"));
    const peers = findPeers(own, added);
    expect(peers.map(({ name, mayBeMissing }) => [name, mayBeMissing])).toEqual([
      ["gamma", true],
      ["alpha", false],
      ["beta", false],
    ]);
    expect(findPeers(own, null).map(({ folder }) => folder)).toEqual([join(own, "gamma")]);
  });

  test("a folder of peers without any is a mistake", () => {
    expect(() => findPeers(own, added)).toThrow(`no folder in ${added} has a program named start`);
  });

  test.each(["gamma", "leased"])("%s: a name that is taken already", (name) => {
    add(own, "gamma", "");
    add(added, name, "");
    expect(() => findPeers(own, added)).toThrow(
      `PEERS: ${join(added, name)}: the bench has a chain named ${name} itself`,
    );
  });

  test("one of the bench that is not installed is left out", async () => {
    add(own, "absent", "exit 77");
    add(own, "present", 'echo "url $UPSTREAM/p"; exec sleep 60');
    add(added, "other", 'echo "url $UPSTREAM/o"; exec sleep 60');
    expect(await start()).toEqual({
      started: ["present at http://127.0.0.1:8000/p", "other at http://127.0.0.1:8000/o"],
      missing: ["absent"],
    });
  });

  test("one that was asked for fails when it is not installed", async () => {
    add(added, "absent", "exit 77");
    await expect(start()).rejects.toThrow("peer absent: not installed");
  });

  test("one of the bench that fails in another way fails", async () => {
    add(own, "broken", "exit 3");
    add(added, "other", "exit 77");
    await expect(start()).rejects.toThrow("peer broken: ended with 3 before it was ready");
  });
});
