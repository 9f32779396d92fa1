/** The receivers of alerts, each with the form in which it takes them. */
import type { Alert } from "./alert.ts";

const TIMEOUT_MS = 5_000;
const MAX_RETRY_AFTER_MS = 5 * 60_000;

export interface Sender {
  /** For metrics and logs. */
  name: string;
  /** @throws SendError */
  send(alert: Alert): Promise<void>;
}

/** An attempt that failed. The message never has the URL: of a webhook it is the secret. */
export class SendError extends Error {
  /** Whether another attempt may do better. */
  readonly retryable: boolean;
  /** What the receiver asks to wait; null: nothing. */
  readonly retryAfterMs: number | null;

  constructor(message: string, retryable: boolean, retryAfterMs: number | null = null) {
    super(message);
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Incoming webhook of Slack, and of those that took over its form (Mattermost, Discord /slack). */
export function slackSender(url: string): Sender {
  return httpSender("slack", url, ({ summary, channel }) => ({
    text: slackText(summary),
    ...(channel === null ? {} : { channel }),
  }));
}

/** Slack: "replace the ampersand, less-than and greater-than signs with HTML entities". */
function slackText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** All that is known, as one JSON object; times in RFC 3339. */
export function webhookSender(url: string): Sender {
  return httpSender("webhook", url, (alert) => {
    const { key, name, severity, summary, channel, labels, details } = alert;
    return { key, name, severity, summary, channel, ...timesOf(alert), labels, details };
  });
}

/**
 * Alertmanager's API v2, postAlerts. An alert is known there by its labels; it ends by itself at
 * endsAt.
 * @param url of the Alertmanager, with its prefix where it has one
 */
export function alertmanagerSender(url: string): Sender {
  const base = url.replace(/\/+$/, "");
  return httpSender("alertmanager", `${base}/api/v2/alerts`, (alert) => {
    const { name, severity, summary, labels } = alert;
    return [
      {
        labels: { alertname: name, severity, ...labels },
        annotations: { summary },
        ...timesOf(alert),
      },
    ];
  });
}

function timesOf({ startsAtMs, endsAtMs }: Alert): { startsAt: string; endsAt: string } {
  return {
    startsAt: new Date(startsAtMs).toISOString(),
    endsAt: new Date(endsAtMs).toISOString(),
  };
}

function httpSender(name: string, url: string, bodyOf: (alert: Alert) => unknown): Sender {
  return {
    name,
    async send(alert) {
      const response = await post(url, JSON.stringify(bodyOf(alert)));
      if (response.ok) return;
      const { status } = response;
      const retryable = status === 408 || status === 429 || status >= 500;
      throw new SendError(`answered ${status}`, retryable, retryAfterMs(response));
    },
  };
}

async function post(url: string, body: string): Promise<Response> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    // The answer says nothing that is needed, and may be of any length.
    await response.body?.cancel();
    return response;
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    throw new SendError(
      `no answer: ${cause?.code ?? cause?.message ?? (error as Error).name}`,
      true,
    );
  }
}

/** Of Retry-After only the seconds (RFC 9110 section 10.2.3); null where there are none. */
function retryAfterMs(response: Response): number | null {
  const seconds = response.headers.get("retry-after") ?? "";
  if (!/^\d{1,9}$/.test(seconds)) return null;
  return Math.min(Number(seconds) * 1000, MAX_RETRY_AFTER_MS);
}
