/** The catalogue's way of finding a provider and a model: clauses over names. */
import type { MatchLogic, ModelInfo, Provider } from "@pydantic/genai-prices";

/** Whether a name satisfies a clause. Only regular expressions mind letter case. */
function satisfies(clause: MatchLogic, name: string): boolean {
  const lower = name.toLowerCase();
  if ("or" in clause) return clause.or.some((each) => satisfies(each, name));
  if ("and" in clause) return clause.and.every((each) => satisfies(each, name));
  if ("equals" in clause) return lower === clause.equals.toLowerCase();
  if ("starts_with" in clause) return lower.startsWith(clause.starts_with.toLowerCase());
  if ("ends_with" in clause) return lower.endsWith(clause.ends_with.toLowerCase());
  if ("contains" in clause) return lower.includes(clause.contains.toLowerCase());
  return compiled(clause.regex).test(name);
}

const expressions = new Map<string, RegExp>();

/** The catalogue's expressions are finitely many. */
function compiled(source: string): RegExp {
  const known = expressions.get(source);
  if (known !== undefined) return known;
  const expression = new RegExp(source);
  expressions.set(source, expression);
  return expression;
}

/** Our names of providers where the catalogue has another. */
const CATALOGUE_IDS: Record<string, string> = {
  gemini: "google",
  vertex: "google",
  bedrock: "aws",
  xai: "x-ai",
  voyage: "voyageai",
};

/** Our name of a provider that the catalogue names; Google's two have one there. */
export function canonicalProvider(name: string): string {
  return Object.keys(CATALOGUE_IDS).find((ours) => CATALOGUE_IDS[ours] === name) ?? name;
}

export interface CatalogueHit {
  provider: Provider;
  model: ModelInfo;
}

/**
 * Finds a model's price: with the provider that served it, then with the one that makes models
 * of such names, with and without a "maker/" before the name.
 */
export function findInCatalogue(
  providers: readonly Provider[],
  model: string,
  providerName: string | null,
): CatalogueHit | null {
  const name = model.trim().toLowerCase();
  const id = providerName === null ? null : (CATALOGUE_IDS[providerName] ?? providerName);
  const served = providers.find((each) => each.id === id);
  const own = served === undefined ? null : findAt(providers, served, name);
  if (own !== null) return own;
  const short = name.slice(name.lastIndexOf("/") + 1);
  for (const candidate of new Set([name, short])) {
    const maker = providers.find(
      ({ model_match: clause }) => clause !== undefined && satisfies(clause, candidate),
    );
    const hit = maker === undefined ? null : findAt(providers, maker, candidate);
    if (hit !== null) return hit;
  }
  return null;
}

/** In a provider's list, then as the lists that it falls back to have it; dates in both forms. */
function findAt(providers: readonly Provider[], at: Provider, name: string): CatalogueHit | null {
  for (const spelling of new Set([name, withDashedDate(name)])) {
    for (const id of [at.id, ...(at.fallback_model_providers ?? [])]) {
      const provider = providers.find((each) => each.id === id);
      const model = provider?.models.find((each) => satisfies(each.match, spelling));
      if (provider !== undefined && model !== undefined) return { provider, model };
    }
  }
  return null;
}

/** `-20250929` as `-2025-09-29`. */
function withDashedDate(name: string): string {
  return name.replace(/-(20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])(?=-|:|$)/g, "-$1-$2-$3");
}
