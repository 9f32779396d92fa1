/** What LiteLLM calls models and providers, in the names that usage records have. */

/** Our names, by the beginning of LiteLLM's up to the first "_" or "-" that is told here. */
const PROVIDERS: [pattern: RegExp, provider: string][] = [
  [/^(text-completion-)?openai$/, "openai"],
  [/^azure(_|$)/, "azure"],
  [/^bedrock(_|$)/, "bedrock"],
  [/^vertex_ai(_|-|$)/, "vertex"],
  [/^gemini$/, "gemini"],
  [/^(text-completion-)?codestral$|^mistral$/, "mistral"],
  [/^cohere(_|$)/, "cohere"],
  [/^together_ai/, "together"],
  [/^fireworks_ai/, "fireworks"],
  [/^dashscope$/, "alibaba"],
  [/^moonshot$/, "moonshotai"],
  [/^github_copilot$/, "github-copilot"],
];
/** Beginnings of keys that are not LiteLLM's name of the provider. */
const EXTRA_PREFIXES: Record<string, string[]> = {
  bedrock: ["bedrock"],
  vertex: ["vertex_ai"],
  cohere: ["cohere"],
  fireworks: ["fireworks_ai"],
  azure: ["azure", "azure_ai"],
  mistral: ["mistral", "codestral", "text-completion-codestral"],
  openai: ["openai", "text-completion-openai"],
};
/** Parts of a key that say where, for how long or in what quality, and no model's name. */
const VARIANT = /^([a-z]{2}(-gov)?-[a-z]+-\d|\d+-month-commitment|eu|us|global|global-standard)$/;
const PICTURE = /^(\d+-x-\d+|hd|standard|low|medium|high|\d+-steps|max-steps)$/;

/** The provider's name in usage records. */
export function providerName(litellmProvider: string): string {
  return PROVIDERS.find(([pattern]) => pattern.test(litellmProvider))?.[1] ?? litellmProvider;
}

/** The model's name as providers answer it, or why it has none. */
export function modelName(
  key: string,
  litellmProvider: string,
): { model: string } | { problem: string } {
  const provider = providerName(litellmProvider);
  const prefixes = [litellmProvider, ...(EXTRA_PREFIXES[provider] ?? [])];
  const prefix = prefixes.find((each) => key.startsWith(`${each}/`));
  const model = prefix === undefined ? key : key.slice(prefix.length + 1);
  const [first = ""] = model.split("/");
  if (model === "") return { problem: "no model's name" };
  if (model.includes("*")) return { problem: "stands for several models" };
  if (model !== first && VARIANT.test(first)) return { problem: `only for ${first}` };
  if (model !== first && PICTURE.test(first)) return { problem: `only for ${first} pictures` };
  return { model };
}
