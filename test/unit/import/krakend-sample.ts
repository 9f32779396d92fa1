/** The quota of KrakenD's page on AI token costs, and the rest of a configuration around it. */
export const SAMPLE_QUOTA = {
  quota_name: "public_plans",
  on_unmatched_tier_allow: false,
  weight_key: "credits_consumed",
  weight_strategy: "body",
  tier_key: "X-Level",
  disable_quota_headers: false,
  tiers: [
    {
      rule_name: "rule_gold",
      tier_value: "gold",
      tier_value_as: "literal",
      strategy: "header",
      key: "X-User-Id",
    },
    {
      comment: "Special case * that catches any requests not falling into one of the tiers above",
      rule_name: "rule_bronze",
      tier_value_as: "*",
      strategy: "ip",
    },
  ],
};
/** What the sample's rules allow. */
export const PROCESSORS = {
  quotas: [
    {
      name: "public_plans",
      connection_name: "shared_redis_pool",
      on_failure_allow: true,
      hash_keys: true,
      rules: [
        {
          name: "rule_gold",
          limits: [
            { amount: 10_000, unit: "hour" },
            { amount: 250_000, unit: "month" },
          ],
        },
        { name: "rule_bronze", limits: [{ amount: 100, unit: "minute" }] },
      ],
    },
  ],
};

export type Quota = Record<string, unknown>;
export const endpoint = (quota: Quota, path = "/v1/chat/completions", method = "POST") => ({
  endpoint: path,
  method,
  extra_config: { "governance/quota": quota },
});
export const config = (endpoints: object[], processors: object = PROCESSORS) => ({
  version: 3,
  extra_config: { "governance/processors": processors },
  endpoints,
});
