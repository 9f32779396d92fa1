import { describe, expect, test } from "vitest";
import { parseRedisUrl } from "../../../limitador-bridge/ledger/store/redis/redis-url.ts";
import { crc16, slotOf } from "../../../limitador-bridge/ledger/store/redis/shards.ts";

const plain = { tls: false, tlsFiles: {}, db: 0, prefix: "tollgate" };

describe("parseRedisUrl", () => {
  test.each([
    [
      "redis://localhost",
      {
        ...plain,
        kind: "single",
        addresses: [{ host: "localhost", port: 6379 }],
        waitReplicas: 0,
      },
    ],
    [
      "rediss://me:p%40ss%2Fword@[::1]:6380/3?prefix=eu:tollgate&wait=2",
      {
        kind: "single",
        addresses: [{ host: "::1", port: 6380 }],
        tls: true,
        tlsFiles: {},
        db: 3,
        prefix: "eu:tollgate",
        waitReplicas: 2,
        username: "me",
        password: "p@ss/word",
      },
    ],
    [
      "redis-sentinel://:secret@s1,s2:26380/main?db=2",
      {
        ...plain,
        kind: "sentinel",
        addresses: [
          { host: "s1", port: 26_379 },
          { host: "s2", port: 26_380 },
        ],
        db: 2,
        waitReplicas: 1,
        password: "secret",
        masterName: "main",
      },
    ],
    [
      "redis-cluster://10.0.0.1:7000,10.0.0.2:7000?tls=true&ca=/etc/my%20ca.pem",
      {
        ...plain,
        kind: "cluster",
        addresses: [
          { host: "10.0.0.1", port: 7000 },
          { host: "10.0.0.2", port: 7000 },
        ],
        tls: true,
        tlsFiles: { ca: "/etc/my ca.pem" },
        waitReplicas: 1,
      },
    ],
  ])("%s", (url, expected) => {
    expect(parseRedisUrl(url)).toEqual(expected);
  });

  test.each([
    ["redis:localhost", "expected one of redis://HOST"],
    ["http://localhost", "expected one of redis://HOST"],
    ["redis://:secret@", "redis host: expected HOST"],
    ["redis://localhost:70000", "redis host: expected HOST"],
    ["redis://:secret@a,b", "redis host: more than one"],
    ["redis://localhost/mydb", "redis db: expected a small integer"],
    ["redis://:%zz@localhost", "redis user or password: is not percent-encoded"],
    ["redis://localhost?prefix={x}", "redis prefix: expected letters"],
    [
      "redis://localhost?password=secret",
      "redis password: expected one of tls, ca, cert, key, db, prefix, wait",
    ],
    ["redis://localhost?ca=/etc/ca.pem", "redis ca, cert, key: expected rediss:// or tls=true"],
    ["rediss://localhost?cert=/etc/me.pem", "redis cert, key: expected both"],
    ["redis-sentinel://s1:26379", "redis path: expected the name"],
    ["redis-cluster://a:1/1", "redis db: Redis Cluster has only database 0"],
    ["redis-cluster://a:1?tls=yes", "redis tls: expected true or false"],
  ])("%s is refused, without its password", (url, message) => {
    let caught: Error | undefined;
    try {
      parseRedisUrl(url);
    } catch (error) {
      caught = error as Error;
    }
    expect(caught).toMatchObject({ code: "unsupported_scheme" });
    expect(caught?.message).toContain(message);
    expect(caught?.message).not.toContain("secret");
  });
});

test("crc16 and slots are those of the Redis Cluster specification", () => {
  expect(crc16("123456789")).toBe(0x31c3);
  expect(slotOf("anything{user1000}.following")).toBe(crc16("user1000") % 16_384);
  expect(slotOf("x{foo}")).toBe(12_182);
});
