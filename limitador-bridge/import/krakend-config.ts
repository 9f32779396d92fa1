/**
 * What a KrakenD configuration says of quotas: processors with their rules, and where they are
 * attached. Fields as in KrakenD's schemas governance/processors and governance/quota (v2.10).
 */
import type { FieldPath } from "../policy/source-document.ts";
import type { SourceFile } from "./source-file.ts";

export const QUOTA = "governance/quota";
const PROCESSORS = "governance/processors";
const UNITS = ["second", "minute", "hour", "day", "week", "month", "year"] as const;
/** How the quota is kept; nothing that a policy says. */
const STORE_SETTINGS = ["hash_keys", "rejecter_cache"];

export type QuotaUnit = (typeof UNITS)[number];
export interface QuotaLimit {
  amount: number;
  unit: QuotaUnit;
}

export interface QuotaProcessor {
  name: string;
  rules: Map<string, QuotaLimit[]>;
  /** What happens while KrakenD's store is away. */
  onFailureAllow: boolean;
}

export interface QuotaTier {
  path: FieldPath;
  rule: string;
  value: string;
  as: string;
  strategy: string;
  key: string;
}

export interface Endpoint {
  path: string;
  method: string;
}

export interface Attachment {
  path: FieldPath;
  /** null: the whole service. */
  endpoint: Endpoint | null;
  quota: string;
  tierKey: string;
  tiers: QuotaTier[];
  onUnmatchedAllow: boolean;
  disableHeaders: boolean;
  weightKey: string;
  weightStrategy: string;
}

export interface KrakendQuotas {
  processors: Map<string, QuotaProcessor>;
  attachments: Attachment[];
}

type Fields = Record<string, unknown>;

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown, preset = ""): string {
  return typeof value === "string" ? value : preset;
}

/** Reads all quotas; what is malformed is remarked on and left out. */
export function readQuotas(source: SourceFile): KrakendQuotas {
  return new QuotaReader(source).read();
}

class QuotaReader {
  readonly #source: SourceFile;
  readonly #quotas: KrakendQuotas = { processors: new Map(), attachments: [] };

  constructor(source: SourceFile) {
    this.#source = source;
  }

  read(): KrakendQuotas {
    const root = fields(this.#source.value);
    // A snippet may stand at the top level, without the extra_config around it.
    for (const path of [["extra_config"], []]) {
      const config = path.length === 0 ? root : fields(root.extra_config);
      this.#readProcessors(config[PROCESSORS], [...path, PROCESSORS]);
      this.#readAttachment(config[QUOTA], [...path, QUOTA], null);
    }
    for (const [i, value] of list(root.endpoints).entries()) this.#readEndpoint(value, i);
    for (const [i, value] of list(root.async_agent).entries()) this.#refuseAgent(value, i);
    return this.#quotas;
  }

  #readEndpoint(value: unknown, index: number): void {
    const endpoint = fields(value);
    const at = { path: text(endpoint.endpoint), method: text(endpoint.method, "GET") };
    const path: FieldPath = ["endpoints", index];
    const own = fields(endpoint.extra_config)[QUOTA];
    this.#readAttachment(own, [...path, "extra_config", QUOTA], at);
    for (const [i, backend] of list(endpoint.backend).entries()) {
      const quota = fields(fields(backend).extra_config)[QUOTA];
      if (quota === undefined) continue;
      const where = [...path, "backend", i, "extra_config", QUOTA];
      this.#source.remark(where, "counted once for each request to the endpoint, not the backend");
      this.#readAttachment(quota, where, at);
    }
  }

  #refuseAgent(value: unknown, index: number): void {
    const agent = fields(value);
    for (const [i, backend] of list(agent.backend).entries()) {
      if (fields(fields(backend).extra_config)[QUOTA] === undefined) continue;
      const where = ["async_agent", index, "backend", i, "extra_config", QUOTA];
      this.#source.remark(where, "not translated: no HTTP request comes in to be counted");
    }
  }

  #readProcessors(value: unknown, path: FieldPath): void {
    for (const [i, item] of list(fields(value).quotas).entries()) {
      const where = [...path, "quotas", i];
      const quota = fields(item);
      const name = text(quota.name);
      if (name === "") {
        this.#source.remark(where, "not translated: it has no name");
        continue;
      }
      for (const setting of STORE_SETTINGS) {
        if (quota[setting] === undefined || quota[setting] === false) continue;
        this.#source.remark([...where, setting], "has no counterpart and is left out");
      }
      this.#quotas.processors.set(name, {
        name,
        rules: this.#readRules(quota.rules, [...where, "rules"]),
        onFailureAllow: quota.on_failure_allow === true,
      });
    }
  }

  #readRules(value: unknown, path: FieldPath): Map<string, QuotaLimit[]> {
    const rules = new Map<string, QuotaLimit[]>();
    for (const [i, item] of list(value).entries()) {
      const rule = fields(item);
      const limits = list(rule.limits).flatMap((limit, j) =>
        this.#readLimit(fields(limit), [...path, i, "limits", j]),
      );
      rules.set(text(rule.name), limits);
    }
    return rules;
  }

  #readLimit({ amount, unit }: Fields, path: FieldPath): QuotaLimit[] {
    const known = UNITS.find((name) => name === unit);
    if (known === undefined) {
      this.#source.remark(path, `not translated: the unit ${JSON.stringify(unit)} is not known`);
      return [];
    }
    const whole = typeof amount === "number" && amount >= 0 ? Math.floor(amount) : Number.NaN;
    if (!Number.isSafeInteger(whole)) {
      const found = JSON.stringify(amount);
      this.#source.remark(path, `not translated: expected an amount of at least 0, found ${found}`);
      return [];
    }
    if (whole !== amount) this.#source.remark(path, `the amount is rounded down to ${whole}`);
    return [{ amount: whole, unit: known }];
  }

  #readAttachment(value: unknown, path: FieldPath, endpoint: Endpoint | null): void {
    if (value === undefined) return;
    const quota = fields(value);
    this.#quotas.attachments.push({
      path,
      endpoint,
      quota: text(quota.quota_name),
      tierKey: text(quota.tier_key),
      tiers: list(quota.tiers).map((item, i) => {
        const tier = fields(item);
        return {
          path: [...path, "tiers", i],
          rule: text(tier.rule_name),
          value: text(tier.tier_value),
          as: text(tier.tier_value_as, "literal"),
          strategy: text(tier.strategy, "header"),
          key: text(tier.key),
        };
      }),
      onUnmatchedAllow: quota.on_unmatched_tier_allow === true,
      disableHeaders: quota.disable_quota_headers === true,
      weightKey: text(quota.weight_key),
      weightStrategy: text(quota.weight_strategy, "body"),
    });
  }
}
