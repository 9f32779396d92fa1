import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { withoutDemoIdentity, withoutTollgate } from "./bootstrap.ts";

const shipped = readFileSync(new URL("../../envoy/bootstrap.yaml", import.meta.url), "utf8");

interface Bootstrap {
  static_resources: {
    listeners: {
      filter_chains: { filters: { typed_config: { http_filters: { name: string }[] } }[] }[];
    }[];
    clusters: { name: string }[];
  };
}

function namesIn(bootstrap: string): { filters: string[]; clusters: string[] } {
  const { listeners, clusters } = (parse(bootstrap) as Bootstrap).static_resources;
  const manager = listeners[0]?.filter_chains[0]?.filters[0]?.typed_config;
  return {
    filters: manager?.http_filters.map(({ name }) => name) ?? [],
    clusters: clusters.map(({ name }) => name),
  };
}

describe("the shipped bootstrap in the bench", () => {
  test("with tollgate, without the stand-in for authentication", () => {
    expect(namesIn(withoutDemoIdentity(shipped))).toEqual({
      filters: ["tollgate", "envoy.filters.http.router"],
      clusters: ["upstream", "tollgate"],
    });
  });

  test("Envoy alone", () => {
    expect(namesIn(withoutTollgate(withoutDemoIdentity(shipped)))).toEqual({
      filters: ["envoy.filters.http.router"],
      clusters: ["upstream"],
    });
  });

  test("what is not there cannot be left out", () => {
    const once = withoutDemoIdentity(shipped);
    expect(() => withoutDemoIdentity(once)).toThrow("the bootstrap has no demo-identity");
  });
});
