/** Where alerts go, from environment variables; secrets can come from files. */
import { readFileSync } from "node:fs";
import { ConfigError } from "../config.ts";

export interface AlertConfig {
  /** null: no such receiver. */
  slackUrl: string | null;
  webhookUrl: string | null;
  alertmanagerUrl: string | null;
  deadLetterFile: string;
}

type Env = Record<string, string | undefined>;

/**
 * Reads ALERT_SLACK_WEBHOOK, ALERT_WEBHOOK_URL and ALERTMANAGER_URL, each of which can be in a file
 * that the variable with _FILE names, and ALERT_DEAD_LETTER_FILE.
 * @throws ConfigError, which never has the value: a webhook's URL is its password
 */
export function readAlertConfig(
  env: Env,
  readFile: (path: string) => string = (path) => readFileSync(path, "utf8"),
): AlertConfig {
  return {
    slackUrl: secretUrl(env, "ALERT_SLACK_WEBHOOK", readFile),
    webhookUrl: secretUrl(env, "ALERT_WEBHOOK_URL", readFile),
    alertmanagerUrl: secretUrl(env, "ALERTMANAGER_URL", readFile),
    deadLetterFile: env.ALERT_DEAD_LETTER_FILE || "./data/alerts-dead-letter.jsonl",
  };
}

function secretUrl(env: Env, name: string, readFile: (path: string) => string): string | null {
  const fileName = `${name}_FILE`;
  const direct = env[name] || undefined;
  const file = env[fileName] || undefined;
  if (direct !== undefined && file !== undefined) {
    throw new ConfigError(`${name} and ${fileName}: expected one of them, got both`);
  }
  if (file !== undefined) return checkUrl(fileName, readOrExplain(fileName, file, readFile));
  return direct === undefined ? null : checkUrl(name, direct);
}

function readOrExplain(name: string, file: string, readFile: (path: string) => string): string {
  try {
    return readFile(file).trim();
  } catch (error) {
    throw new ConfigError(`${name}: cannot read "${file}": ${(error as Error).message}`);
  }
}

function checkUrl(name: string, text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : "";
  if (protocol === "http:" || protocol === "https:") return text;
  throw new ConfigError(`${name}: expected a URL that begins with http:// or https://`);
}
