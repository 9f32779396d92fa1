/** The tiers of one attached quota as limits of a policy. Pure. */
import type { Attachment, QuotaLimit, QuotaProcessor, QuotaTier } from "./krakend-config.ts";
import { counterOf, tierPredicate } from "./krakend-expressions.ts";
import type { Weight } from "./krakend-weight.ts";
import type { SourceFile } from "./source-file.ts";

export interface PolicyLimit {
  rates: { limit: number; window: string | { calendar: string }; unit: string }[];
  when?: { predicate: string }[];
  counters?: { expression: string }[];
}

const UNMATCHED = "unmatched-tier";
const FIXED_WINDOWS: Partial<Record<QuotaLimit["unit"], string>> = {
  second: "1s",
  minute: "1m",
  year: "365d",
};

/** Which requests a tier takes: those with one of these values, or all that no tier before took. */
interface TierGroup {
  tier: QuotaTier;
  /** null: whatever the tiers before leave. */
  values: string[] | null;
  /** Values of the tiers before. */
  taken: string[];
}

/** Makes the limits by name. What cannot be translated is remarked on. */
export function limitsOf(
  attachment: Attachment,
  processor: QuotaProcessor,
  weight: Weight,
  source: SourceFile,
): Record<string, PolicyLimit> {
  const { groups, taken, isOpen } = groupTiers(attachment, source);
  const limits: Record<string, PolicyLimit> = {};
  for (const { tier, values, taken } of groups) {
    const counter = counterOf(tier, attachment.endpoint);
    if ("problem" in counter) {
      source.remark(tier.path, `not translated: ${counter.problem}`);
      continue;
    }
    const rates = ratesOf(tier, processor, weight, source);
    if (rates.length === 0) continue;
    const predicate = predicateOf(attachment.tierKey, values, taken);
    limits[freeName(limits, tier.rule)] = {
      rates,
      ...(predicate === null ? {} : { when: [{ predicate }] }),
      counters: [{ expression: counter.expression }],
    };
  }
  if (isOpen && !attachment.onUnmatchedAllow) {
    const predicate = predicateOf(attachment.tierKey, null, taken);
    limits[freeName(limits, UNMATCHED)] = {
      rates: [{ limit: 0, window: "1m", unit: "requests" }],
      ...(predicate === null ? {} : { when: [{ predicate }] }),
    };
    source.remark(attachment.path, "a request of no tier is answered with 429, not with 400");
  }
  return limits;
}

/** Tiers with the same rule and identity are one; `isOpen`: some requests are of no tier. */
function groupTiers(attachment: Attachment, source: SourceFile) {
  const groups: TierGroup[] = [];
  const taken: string[] = [];
  let isOpen = true;
  for (const tier of attachment.tiers) {
    if (!isOpen) {
      source.remark(tier.path, 'not translated: a tier "*" before it takes all requests');
    } else if (tier.as === "*") {
      groups.push({ tier, values: null, taken: [...taken] });
      isOpen = false;
    } else if (tier.as !== "literal") {
      refuseExpression(tier, source);
    } else if (attachment.tierKey === "" || tier.value === "") {
      source.remark(tier.path, "not translated: a literal tier needs a tier_key and a tier_value");
    } else if (taken.includes(tier.value)) {
      source.remark(tier.path, `not translated: a tier before it takes "${tier.value}"`);
    } else {
      addLiteral(groups, tier);
      taken.push(tier.value);
    }
  }
  // Requests of a tier that is not translated must not be refused as if they had none.
  const isUnsure = attachment.tiers.some(({ as }) => as !== "*" && as !== "literal");
  if (isOpen && isUnsure && !attachment.onUnmatchedAllow) {
    source.remark(
      attachment.path,
      "requests of no tier are not refused, since not all tiers are translated",
    );
  }
  return { groups, taken, isOpen: isOpen && !isUnsure };
}

function addLiteral(groups: TierGroup[], tier: QuotaTier): void {
  const identity = ({ rule, strategy, key }: QuotaTier) => JSON.stringify([rule, strategy, key]);
  const same = groups.find((group) => identity(group.tier) === identity(tier));
  if (same?.values) same.values.push(tier.value);
  else groups.push({ tier, values: [tier.value], taken: [] });
}

function refuseExpression(tier: QuotaTier, source: SourceFile): void {
  const expression = JSON.stringify(tier.value);
  const what =
    tier.as === "policy"
      ? `KrakenD's expression ${expression} has to be written for Envoy's attributes`
      : `tier_value_as "${tier.as}" is not known`;
  source.remark(tier.path, `not translated: ${what}; its requests fall to the tiers below`);
}

function predicateOf(tierKey: string, values: string[] | null, taken: string[]): string | null {
  if (values !== null) return tierPredicate(tierKey, values);
  return taken.length === 0 ? null : `!(${tierPredicate(tierKey, taken)})`;
}

function ratesOf(
  { rule, path }: QuotaTier,
  processor: QuotaProcessor,
  { unit }: Weight,
  source: SourceFile,
): PolicyLimit["rates"] {
  const limits = processor.rules.get(rule);
  if (limits === undefined) {
    source.remark(path, `not translated: quota "${processor.name}" has no rule "${rule}"`);
    return [];
  }
  if (limits.length === 0) source.remark(path, `not translated: rule "${rule}" has no limits`);
  return limits.map((limit) => {
    const fixed = FIXED_WINDOWS[limit.unit];
    if (limit.unit === "year") {
      source.remark(path, "a year is counted as 365 days from the first request");
    }
    return { limit: limit.amount, window: fixed ?? { calendar: limit.unit }, unit };
  });
}

function freeName(taken: Record<string, unknown>, wanted: string): string {
  const base = wanted === "" ? "tier" : wanted;
  let name = base;
  for (let n = 2; Object.hasOwn(taken, name); n++) name = `${base}-${n}`;
  return name;
}
