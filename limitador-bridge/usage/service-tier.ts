/** Where requests ask for a service tier, as JSON pointers: OpenAI's name, and Google's. */
export const SERVICE_TIERS: readonly string[] = ["/service_tier", "/serviceTier"];
