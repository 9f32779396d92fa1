/** `rediss://` to a redis-server whose certificate nobody but the test has signed. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStore } from "../../limitador-bridge/ledger/store/open-store.ts";
import { claim, recordIds, reservation, settlement } from "./contract/fixture.ts";
import { type Certificate, selfSigned } from "./redis/certificate.ts";
import { freePort, type RedisServer, startRedis } from "./redis/redis-server.ts";

const folder = await mkdtemp(join(tmpdir(), "tollgate-tls-"));
const pathOf = (name: string) => join(folder, name);
const closing: (() => unknown)[] = [];
let port = 0;
let server: RedisServer;

beforeAll(async () => {
  const own = selfSigned();
  await write("own", own);
  await write("other", selfSigned());
  port = await freePort();
  const files = ["--tls-cert-file", pathOf("own.crt"), "--tls-key-file", pathOf("own.key")];
  const tls = ["--tls-port", String(port), "--tls-ca-cert-file", pathOf("own.crt"), ...files];
  try {
    server = await startRedis([...tls, "--tls-auth-clients", "optional"]);
  } catch {
    // This redis-server was built without TLS.
    server = await startRedis();
    await proxy(own, port, server.port);
  }
});
afterAll(async () => {
  for (const close of closing) close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function write(name: string, { certificate, key }: Certificate): Promise<void> {
  await writeFile(pathOf(`${name}.crt`), certificate);
  await writeFile(pathOf(`${name}.key`), key);
}

/** TLS on one port, given on in the clear to another. */
async function proxy({ certificate, key }: Certificate, from: number, to: number): Promise<void> {
  const listening: Server = createServer({ cert: certificate, key }, (client) => {
    const redis = connect(to, "127.0.0.1");
    for (const socket of [client, redis]) {
      socket.on("error", () => {
        client.destroy();
        redis.destroy();
      });
    }
    client.pipe(redis).pipe(client);
  });
  closing.push(() => listening.close());
  await new Promise<void>((done) => listening.listen(from, "127.0.0.1", done));
  expect((listening.address() as AddressInfo).port).toBe(from);
}

const open = (host: string, query: string) =>
  openStore(`rediss://${host}:${port}?${query}`, { timeoutMs: 3_000 });

describe("rediss://", () => {
  test.each(["127.0.0.1", "localhost"])("%s, with the certificate as its own CA", async (host) => {
    const prefix = `tls-${host}`;
    const store = await open(host, `prefix=${prefix}&ca=${encodeURIComponent(pathOf("own.crt"))}`);
    const held = claim({ reserve: 10, window: { kind: "fixed", lengthMs: 3_600_000 } });
    await store.reserve(reservation("a", [held]));
    await store.settle([settlement("a", 4)]);
    expect(await store.counters("", 10)).toMatchObject([{ used: 4, held: 0 }]);
    expect(await recordIds(store)).toEqual(["a"]);
    await store.close();
    expect(await server.client.exists(`${prefix}:{0}:e:a`)).toBe(1);
  });

  test.each([
    ["with no CA", ""],
    ["with another's", `ca=${encodeURIComponent(pathOf("other.crt"))}`],
  ])("%s nothing is sent", async (_name, query) => {
    const before = await server.client.dbsize();
    await expect(open("127.0.0.1", query)).rejects.toMatchObject({ code: "unavailable" });
    expect(await server.client.dbsize()).toBe(before);
  });

  test("a file that cannot be read is named", async () => {
    await expect(open("127.0.0.1", "ca=/nowhere/ca.crt")).rejects.toMatchObject({
      code: "unsupported_scheme",
      message: expect.stringContaining("STORE, redis ca: cannot read /nowhere/ca.crt"),
    });
  });
});
