import type { ClassicLevel } from "classic-level";
import { expect, test, vi } from "vitest";
import { GroupWriter } from "../../../limitador-bridge/ledger/store/embedded/group-writer.ts";
import { decodePruneRow } from "../../../limitador-bridge/ledger/store/embedded/rows.ts";

interface Write {
  rows: [string, string | null][];
  sync: boolean;
  finish: (error?: Error) => void;
}

/** A LevelDB that finishes a batch, and cannot be opened, when the test says so. */
function fakeLevel() {
  const writes: Write[] = [];
  const opened: string[] = [];
  const failures: Error[] = [];
  const batch = () => {
    const rows: Write["rows"] = [];
    return {
      put: (key: string, value: string) => rows.push([key, value]),
      del: (key: string) => rows.push([key, null]),
      get length() {
        return rows.length;
      },
      close: async () => {},
      write: ({ sync }: { sync: boolean }) =>
        new Promise<void>((resolve, reject) => {
          writes.push({ rows, sync, finish: (error) => (error ? reject(error) : resolve()) });
        }),
    };
  };
  const db = {
    batch,
    close: async () => void opened.push("closed"),
    open: async () => {
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      opened.push("opened");
    },
  };
  return { db: db as unknown as ClassicLevel, writes, opened, failures };
}

function open() {
  const { db, writes, opened, failures } = fakeLevel();
  const used = new Map<string, string>();
  const source = {
    counter: (id: string) => ({ key: `c!${id}`, value: used.get(id) }),
    hold: (id: string) => ({ key: `h!${id}`, value: undefined }),
  };
  return { writer: new GroupWriter(db, source), writes, opened, failures, used };
}
const settled = { state: "settled", atMs: 1 } as const;
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("what comes in one turn goes together", async () => {
  const { writer, writes, used } = open();
  used.set("k", "1");
  writer.counterChanged("k");
  const first = writer.commit("process");
  used.set("k", "2");
  writer.put("r!a", "record");
  const second = writer.commit("sync");
  await turn();
  expect(writes).toHaveLength(1);
  expect(writes[0]).toMatchObject({
    rows: [
      ["c!k", "2"],
      ["r!a", "record"],
    ],
    sync: true,
  });
  writes[0]?.finish();
  await Promise.all([first, second]);
  expect(writes).toHaveLength(1);
});

test("what comes while a batch is written goes together in the next", async () => {
  const { writer, writes, used } = open();
  used.set("k", "1");
  writer.counterChanged("k");
  const first = writer.commit("process");
  await turn();
  used.set("k", "2");
  writer.counterChanged("k");
  const second = writer.commit("sync");
  used.set("k", "3");
  writer.counterChanged("k");
  writer.holdChanged("gone");
  const third = writer.commit("process");
  await turn();
  expect(writes).toHaveLength(1);
  writes[0]?.finish();
  await first;
  await turn();
  expect(writes.map(({ rows, sync }) => ({ rows, sync }))).toEqual([
    { rows: [["c!k", "1"]], sync: false },
    {
      rows: [
        ["c!k", "3"],
        ["h!gone", null],
      ],
      sync: true,
    },
  ]);
  writes[1]?.finish();
  await Promise.all([second, third]);
});

test("a write that fails is told, stays staged, and is made good by the next", async () => {
  const { writer, writes } = open();
  writer.put("r!a", "old");
  writer.end("a", settled);
  const failing = writer.commit("sync");
  await turn();
  writes[0]?.finish(new Error("no space left on device"));
  const message = "embedded store cannot write: no space left on device";
  await expect(failing).rejects.toMatchObject({ code: "unavailable", message });
  await turn();
  expect(() => writer.assertWorking()).toThrow(message);
  expect(writer.unwrittenEnded("a")).toEqual(settled);

  writer.put("r!a", "new");
  const retry = writer.commit("process");
  await turn();
  expect(writes[1]?.rows).toEqual([
    ["r!a", "old"],
    ["r!a", "new"],
    ["e!a", "1"],
    ["p!0000000000000001!a", ""],
  ]);
  expect(writes[1]?.sync).toBe(true);
  writes[1]?.finish();
  await retry;
  writer.assertWorking();
  await turn();
  expect(writer.unwrittenEnded("a")).toBeUndefined();
});

test("after a failed write LevelDB is opened anew: half a record may end its log", async () => {
  const { writer, writes, opened, failures } = open();
  writer.put("r!a", "a");
  const first = writer.commit("sync");
  await turn();
  expect(opened).toEqual([]);
  writes[0]?.finish(new Error("no space left on device"));
  await expect(first).rejects.toMatchObject({ code: "unavailable" });
  await turn();

  failures.push(new Error("still none"));
  await expect(writer.commit("process")).rejects.toMatchObject({
    code: "unavailable",
    message: "embedded store cannot write: still none",
  });
  await turn();
  expect([opened, writes.length]).toEqual([["closed"], 1]);

  const retry = writer.commit("process");
  await turn();
  await turn();
  expect(opened).toEqual(["closed", "closed", "opened"]);
  expect(writes[1]?.rows).toEqual([["r!a", "a"]]);
  writes[1]?.finish();
  await retry;

  writer.put("r!b", "b");
  const next = writer.commit("process");
  await turn();
  writes[2]?.finish();
  await next;
  expect(opened).toEqual(["closed", "closed", "opened"]);
});

test("what could not be written is tried again, ever less often, until it is", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const { writer, writes } = open();
    const failure = new Error("no space left on device");
    /** Fails or ends the write under way. */
    const finish = async (error?: Error) => {
      writes.at(-1)?.finish(error);
      await turn();
      await turn();
    };
    const after = async (ms: number) => {
      vi.advanceTimersByTime(ms);
      await turn();
      await turn();
      return writes.length;
    };
    writer.put("r!a", "a");
    const failing = writer.commit("sync");
    await turn();
    await finish(failure);
    await expect(failing).rejects.toMatchObject({ code: "unavailable" });
    for (const [tries, waitMs] of [250, 500, 1_000, 1_000].entries()) {
      expect(await after(waitMs - 1)).toBe(tries + 1);
      expect(await after(1)).toBe(tries + 2);
      expect(writes.at(-1)).toMatchObject({ rows: [["r!a", "a"]], sync: true });
      await finish(failure);
    }
    expect(await after(1_000)).toBe(6);
    await finish();
    writer.assertWorking();
    expect(await after(10_000)).toBe(6);
    expect(vi.getTimerCount()).toBe(0);

    writer.put("r!b", "b");
    const again = writer.commit("process");
    await turn();
    await finish(failure);
    await expect(again).rejects.toMatchObject({ code: "unavailable" });
    expect(vi.getTimerCount()).toBe(1);
    const stopped = expect(writer.stop()).rejects.toMatchObject({ code: "unavailable" });
    await after(0);
    await finish(failure);
    await stopped;
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test("what ended together has one row: when it may be forgotten, after the last", async () => {
  const { writer, writes } = open();
  for (const [id, atMs] of Object.entries({ a: 5, b: 7, c: 6 })) {
    writer.end(id, { state: "settled", atMs });
  }
  const written = writer.commit("sync");
  await turn();
  const row = writes[0]?.rows.find(([key]) => key.startsWith("p!"));
  expect(row).toEqual(["p!0000000000000007!a", '["b","c"]']);
  expect(decodePruneRow(...(row as [string, string]))).toEqual(["a", "b", "c"]);
  expect(() => decodePruneRow("p!0000000000000007!a", '["b",1]')).toThrow(
    'row "p!0000000000000007!a" cannot be read: expected an array of ids',
  );
  writes[0]?.finish();
  await written;
});

test("nothing staged is nothing written, but waits for what is being written", async () => {
  const { writer, writes } = open();
  await writer.commit("sync");
  expect(writes).toHaveLength(0);
  writer.put("m!x", "");
  const first = writer.commit("process");
  let done = false;
  const second = writer.commit("sync").then(() => {
    done = true;
  });
  await turn();
  expect(done).toBe(false);
  writes[0]?.finish();
  await Promise.all([first, second]);
  expect(writes).toHaveLength(1);
});
