/** Writes a PriceTable as YAML. Pure. */
import type { ImportedModel } from "./litellm.ts";

export interface TableHead {
  name: string;
  /** Where the prices were read, for models that do not say it themselves. */
  source: string;
  /** YYYY-MM-DD */
  asOf: string;
}

/** The text of a table; numbers stand as the decimals that were given. */
export function priceTableText(head: TableHead, models: readonly ImportedModel[]): string {
  const lines = [
    "apiVersion: tollgate.dev/v1alpha1",
    "kind: PriceTable",
    "metadata:",
    `  name: ${head.name}`,
    "spec:",
    "  models:",
  ];
  return `${[...lines, ...models.flatMap((model) => modelLines(head, model))].join("\n")}\n`;
}

function modelLines(head: TableHead, model: ImportedModel): string[] {
  const field = (name: string, value: string) => `      ${name}: ${value}`;
  const optional = (name: string, map: Record<string, string>) =>
    Object.keys(map).length === 0 ? [] : [field(name, flowMap(map))];
  const tiers = model.contextTiers.flatMap(({ aboveTokens, rates }) => [
    `        - aboveTokens: ${aboveTokens}`,
    `          perMillionTokensUSD: ${flowMap(rates)}`,
  ]);
  return [
    `    - match: ${JSON.stringify(model.match)}`,
    field("provider", JSON.stringify(model.provider)),
    field("perMillionTokensUSD", flowMap(model.rates)),
    ...(tiers.length === 0 ? [] : ["      contextTiers:", ...tiers]),
    ...optional("serviceTiers", model.serviceTiers),
    ...optional("perUnitUSD", model.perUnit),
    ...(model.maxOutputTokens === null
      ? []
      : [field("maxOutputTokens", String(model.maxOutputTokens))]),
    field("source", JSON.stringify(model.source ?? head.source)),
    field("asOf", JSON.stringify(head.asOf)),
  ];
}

function flowMap(map: Record<string, string>): string {
  const entries = Object.entries(map).map(([key, value]) => `${key}: ${value}`);
  return `{${entries.join(", ")}}`;
}
