/** Where a part is reached that listens at a host. */
import { describe, expect, test } from "vitest";
import { isHost, reachableHost, urlHost } from "../../../limitador-bridge/cli/address.ts";
import { readSettings } from "../../../limitador-bridge/cli/up-settings.ts";

test.each([
  ["127.0.0.2", "127.0.0.2", "127.0.0.2"],
  ["tollgate.example", "tollgate.example", "tollgate.example"],
  ["::1", "::1", "[::1]"],
  ["fd00::7", "fd00::7", "[fd00::7]"],
  ["0.0.0.0", "127.0.0.1", "127.0.0.1"],
  ["0", "127.0.0.1", "127.0.0.1"],
  ["::", "::1", "[::1]"],
  ["0:0:0:0:0:0:0:0", "::1", "[::1]"],
])("%s is reached at %s, in a URL %s", (host, reachable, inUrl) => {
  expect(reachableHost(host)).toBe(reachable);
  expect(urlHost(reachableHost(host))).toBe(inUrl);
});

describe("HOST and PROXY_HOST", () => {
  test("127.0.0.1 where not given, else as given", () => {
    expect(readSettings({})).toMatchObject({ apiHost: "127.0.0.1", proxyHost: "127.0.0.1" });
    const given = { HOST: "::", PROXY_HOST: "127.0.0.2" };
    expect(readSettings(given)).toMatchObject({ apiHost: "::", proxyHost: "127.0.0.2" });
  });

  test.each(["[::1]", "fe80::1%eth0", "127.0.0.2:80", "http://a", "a b", "256.1.1.1"])(
    "%s is no host",
    (host) => {
      expect(isHost(host)).toBe(false);
      for (const name of ["HOST", "PROXY_HOST"]) {
        expect(() => readSettings({ [name]: host })).toThrow(
          `${name}: expected a name or an address, IPv6 without brackets or zone, found "${host}"`,
        );
      }
    },
  );
});
