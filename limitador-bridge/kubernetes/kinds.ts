/** The kinds of objects that are taken from a cluster. */

export interface MirroredKind {
  kind: string;
  group: string;
  version: string;
  plural: string;
  /** False: the status belongs to Kuadrant's operator, or to the gateway's. */
  ownsStatus: boolean;
}

const TOLLGATE = { group: "tollgate.dev", version: "v1alpha1", ownsStatus: true };

export const BUDGET_KIND: MirroredKind = {
  kind: "LLMBudget",
  group: "ai.systemhardening.com",
  version: "v1",
  plural: "llmbudgets",
  ownsStatus: true,
};

export const MIRRORED_KINDS: readonly MirroredKind[] = [
  {
    kind: "TokenRateLimitPolicy",
    group: "kuadrant.io",
    version: "v1alpha1",
    plural: "tokenratelimitpolicies",
    ownsStatus: false,
  },
  BUDGET_KIND,
  { kind: "Identity", plural: "identities", ...TOLLGATE },
  { kind: "PriceTable", plural: "pricetables", ...TOLLGATE },
  { kind: "ApiRoute", plural: "apiroutes", ...TOLLGATE },
  {
    kind: "HTTPRoute",
    group: "gateway.networking.k8s.io",
    version: "v1",
    plural: "httproutes",
    ownsStatus: false,
  },
];
