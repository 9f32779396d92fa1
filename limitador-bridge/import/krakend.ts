/** KrakenD's governance/quota as TokenRateLimitPolicies. Pure. */
import { stringify } from "yaml";
import { addTo } from "../multi-map.ts";
import { type Attachment, type KrakendQuotas, QUOTA, readQuotas } from "./krakend-config.ts";
import { endpointPredicate } from "./krakend-expressions.ts";
import { limitsOf, type PolicyLimit } from "./krakend-limits.ts";
import { type Weight, weightOf } from "./krakend-weight.ts";
import { ImportError, type Remark, SourceFile } from "./source-file.ts";

const MAX_NAME_LENGTH = 63;
/** Of the name that a policy's targetRef may have. */
const MAX_TARGET_LENGTH = 253;

export interface ImportOptions {
  /** Of the Gateway that the policies are for. */
  gateway: string;
}

export interface Imported {
  /** Documents for a policy folder; "" where nothing was translated. */
  yaml: string;
  policies: number;
  remarks: Remark[];
}

interface Policy {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  spec: {
    targetRef: { group: string; kind: string; name: string };
    limits: Record<string, PolicyLimit>;
    [field: string]: unknown;
  };
}

/**
 * Translates every quota of a configuration, JSON or YAML.
 * @param file its name, for messages
 * @throws ImportError where it cannot be read, or where the Gateway's name cannot be one
 */
export function importKrakend(text: string, file: string, options: ImportOptions): Imported {
  const { gateway } = options;
  if (gateway.trim() === "" || gateway.length > MAX_TARGET_LENGTH) {
    throw new ImportError(
      `--gateway: expected a name of 1 to ${MAX_TARGET_LENGTH} characters, ` +
        `found ${gateway.trim() === "" ? "nothing" : gateway.length}`,
    );
  }
  const source = new SourceFile(file, text);
  const quotas = readQuotas(source);
  if (quotas.attachments.length === 0) source.remark([], `found no "${QUOTA}"`);
  const names = new Set<string>();
  const policies = groupAttachments(quotas.attachments, source).flatMap((group) => {
    const policy = policyOf(group, quotas, options, source, names);
    return policy === null ? [] : [policy];
  });
  const yaml = policies.map((policy) => stringify(policy, { lineWidth: 0 })).join("---\n");
  return { yaml, policies: policies.length, remarks: source.sortedRemarks() };
}

/** One quota attached in the same way to several endpoints: there is one counter for all. */
function groupAttachments(attachments: readonly Attachment[], source: SourceFile): Attachment[][] {
  const groups = new Map<string, Attachment[]>();
  const byQuota = new Map<string, Attachment[]>();
  for (const attachment of attachments) {
    const { path: _, endpoint, tiers, ...rest } = attachment;
    const own = tiers.map(({ path: __, ...tier }) => tier);
    // A parameter stands at another place in every path, and the service has no path at all.
    const needsPath = endpoint === null || tiers.some(({ strategy }) => strategy === "param");
    const key = JSON.stringify([needsPath ? endpoint : "any", own, rest]);
    const group = groups.get(key) ?? [];
    if (group.length === 0) {
      groups.set(key, group);
      addTo(byQuota, attachment.quota, attachment);
    }
    group.push(attachment);
  }
  for (const [quota, [, ...others]] of byQuota) {
    for (const { path } of others) {
      source.remark(
        path,
        `quota "${quota}" is attached elsewhere in another way: there each identity has a ` +
          "counter of its own, where KrakenD has one for both",
      );
    }
  }
  return [...groups.values()];
}

function policyOf(
  group: readonly Attachment[],
  { processors }: KrakendQuotas,
  { gateway }: ImportOptions,
  source: SourceFile,
  names: Set<string>,
): Policy | null {
  const [first] = group;
  if (first === undefined) return null;
  const processor = processors.get(first.quota);
  if (processor === undefined) {
    const why = `no processor "${first.quota}" in governance/processors says how much is allowed`;
    for (const { path } of group) source.remark(path, `not translated: ${why}`);
    return null;
  }
  const [weight = { unit: "requests" } as Weight] = group.map((each) => weightOf(each, source));
  const limits = limitsOf(first, processor, weight, source);
  if (Object.keys(limits).length === 0) return null;
  remarkHeaders(first, source);
  const { totalTokensPointer: pointer, isGuess = false } = weight;
  return {
    apiVersion: "kuadrant.io/v1alpha1",
    kind: "TokenRateLimitPolicy",
    metadata: { name: policyName(first.quota, names) },
    spec: {
      targetRef: { group: "gateway.networking.k8s.io", kind: "Gateway", name: gateway },
      failureMode: processor.onFailureAllow ? "allow" : "deny",
      ...(isGuess ? { mode: "shadow" } : {}),
      ...whenOf(group),
      ...(pointer === undefined
        ? {}
        : { dataExtraction: { response: { totalTokens: [pointer] } } }),
      limits,
    },
  };
}

function remarkHeaders({ path, disableHeaders }: Attachment, source: SourceFile): void {
  const where = [...path, "disable_quota_headers"];
  if (disableHeaders) source.remark(where, "X-RateLimit headers are sent all the same");
  else source.remark(path, "X-Quota headers are sent as X-RateLimit headers");
}

/** Any of the endpoints, each once. */
function whenOf(group: readonly Attachment[]): { when?: { predicate: string }[] } {
  const predicates = group.flatMap(({ endpoint }) =>
    endpoint === null ? [] : [endpointPredicate(endpoint)],
  );
  const distinct = [...new Set(predicates)];
  if (distinct.length === 0) return {};
  const [only = ""] = distinct;
  const any = distinct.length === 1 ? only : distinct.map((each) => `(${each})`).join(" || ");
  return { when: [{ predicate: any }] };
}

/** A Kubernetes name made of the quota's, used by no policy before. */
function policyName(quota: string, names: Set<string>): string {
  const plain = quota.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const base = plain.slice(0, MAX_NAME_LENGTH).replace(/^-+|-+$/g, "") || "quota";
  let name = base;
  for (let n = 2; names.has(name); n++) name = `${base}-${n}`;
  names.add(name);
  return name;
}
