/** The kinds that are mirrored are those that the service reads, as their CRDs have them. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { MIRRORED_KINDS } from "../../../limitador-bridge/kubernetes/kinds.ts";
import { POLICY_KINDS } from "../../../limitador-bridge/policy/kinds/registry.ts";

const mirrored = MIRRORED_KINDS.map(({ group, version, kind }) => `${group}/${version} ${kind}`);

test("every kind of a policy folder is mirrored", () => {
  const known = POLICY_KINDS.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`);
  expect(known.filter((kind) => !mirrored.includes(kind))).toEqual([]);
});

test("the kinds whose status is written are those with a CRD here, which has that status", () => {
  const shipped = readdirSync("policies/crd").map((file) => {
    const { group, names, versions } = parse(readFileSync(`policies/crd/${file}`, "utf8")).spec;
    const [{ name, subresources, schema }] = versions;
    const { properties } = schema.openAPIV3Schema.properties.status;
    expect(properties.conditions.items.required).toContain("lastTransitionTime");
    expect(properties.observedGeneration.type).toBe("integer");
    expect(subresources).toEqual({ status: {} });
    return `${names.plural}.${group}/${name} ${names.kind}`;
  });
  const owned = MIRRORED_KINDS.flatMap(({ plural, group, version, kind, ownsStatus }) =>
    ownsStatus ? [`${plural}.${group}/${version} ${kind}`] : [],
  );
  expect(shipped.sort()).toEqual(owned.sort());
});
