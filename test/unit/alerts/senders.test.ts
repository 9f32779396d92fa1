import { createServer } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readAlertConfig } from "../../../limitador-bridge/alerts/config.ts";
import {
  alertmanagerSender,
  type SendError,
  slackSender,
  webhookSender,
} from "../../../limitador-bridge/alerts/sender.ts";
import { ConfigError } from "../../../limitador-bridge/config.ts";
import { alert, type Receiver, startReceiver } from "./receiver.ts";

let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());
beforeEach(() => {
  receiver.received.length = 0;
  receiver.answers.length = 0;
});

describe("payloads", () => {
  test("Slack: text, escaped, and the channel", async () => {
    await slackSender(`${receiver.url}/services/T/B/x`).send(alert("k"));
    await slackSender(receiver.url).send(alert("k", { channel: null, summary: "<!channel>" }));
    expect(receiver.received).toEqual([
      {
        method: "POST",
        path: "/services/T/B/x",
        contentType: "application/json",
        body: { text: "Team &lt;blue&gt; &amp; co have reached 50 %.", channel: "#costs" },
      },
      {
        method: "POST",
        path: "/",
        contentType: "application/json",
        body: { text: "&lt;!channel&gt;" },
      },
    ]);
  });

  test("webhook: all that is known", async () => {
    await webhookSender(`${receiver.url}/hook?x=1`).send(alert("k"));
    expect(receiver.received).toEqual([
      {
        method: "POST",
        path: "/hook?x=1",
        contentType: "application/json",
        body: {
          key: "k",
          name: "LLMBudgetThreshold",
          severity: "info",
          summary: "Team <blue> & co have reached 50 %.",
          channel: "#costs",
          startsAt: "2026-11-15T12:00:00.000Z",
          endsAt: "2026-12-01T00:00:00.000Z",
          labels: { team: "blue", percent: "50" },
          details: { usedNanoUsd: 5 },
        },
      },
    ]);
  });

  test("Alertmanager: API v2, below its prefix", async () => {
    await alertmanagerSender(`${receiver.url}/am/`).send(alert("k"));
    expect(receiver.received).toEqual([
      {
        method: "POST",
        path: "/am/api/v2/alerts",
        contentType: "application/json",
        body: [
          {
            labels: {
              alertname: "LLMBudgetThreshold",
              severity: "info",
              team: "blue",
              percent: "50",
            },
            annotations: { summary: "Team <blue> & co have reached 50 %." },
            startsAt: "2026-11-15T12:00:00.000Z",
            endsAt: "2026-12-01T00:00:00.000Z",
          },
        ],
      },
    ]);
  });
});

async function failure(url: string): Promise<SendError> {
  const sent = slackSender(url).send(alert("k"));
  return sent.then(
    () => expect.unreachable("it was sent"),
    (error: SendError) => error,
  );
}

describe("failures", () => {
  test.each<[number, string | undefined, boolean, number | null]>([
    [400, undefined, false, null],
    [302, undefined, false, null],
    [404, "7", false, 7000],
    [408, undefined, true, null],
    [429, "30", true, 30_000],
    [429, "86400", true, 300_000],
    [503, "Wed, 21 Oct 2026 07:28:00 GMT", true, null],
  ])("status %i, Retry-After %s", async (status, retryAfter, retryable, retryAfterMs) => {
    receiver.answers.push(retryAfter === undefined ? [status] : [status, retryAfter]);
    const error = await failure(receiver.url);
    expect([error.message, error.retryable, error.retryAfterMs]).toEqual([
      `answered ${status}`,
      retryable,
      retryAfterMs,
    ]);
  });

  test("somebody who hangs up, and nobody there; the URL is not told", async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const hungUp = await failure(`http://127.0.0.1:${port}/secret`);
    expect(hungUp.message).toMatch(/^no answer: (UND_ERR_SOCKET|ECONNRESET)$/);
    expect(hungUp.retryable).toBe(true);
    await new Promise((resolve) => server.close(resolve));
    const refused = await failure(`http://127.0.0.1:${port}/secret`);
    expect([refused.message, refused.retryable]).toEqual(["no answer: ECONNREFUSED", true]);
  });
});

describe("configuration", () => {
  const files: Record<string, string> = { "/run/slack": "https://hooks.example/x\n" };
  const read = (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Error("ENOENT");
    return text;
  };

  test("nothing set is no receiver", () => {
    expect(readAlertConfig({ ALERTMANAGER_URL: "" }, read)).toEqual({
      slackUrl: null,
      webhookUrl: null,
      alertmanagerUrl: null,
      deadLetterFile: "./data/alerts-dead-letter.jsonl",
    });
  });

  test("values and files", () => {
    const env = {
      ALERT_SLACK_WEBHOOK_FILE: "/run/slack",
      ALERT_WEBHOOK_URL: "http://receiver/hook",
      ALERTMANAGER_URL: "http://alertmanager:9093",
      ALERT_DEAD_LETTER_FILE: "/var/dead.jsonl",
    };
    expect(readAlertConfig(env, read)).toEqual({
      slackUrl: "https://hooks.example/x",
      webhookUrl: "http://receiver/hook",
      alertmanagerUrl: "http://alertmanager:9093",
      deadLetterFile: "/var/dead.jsonl",
    });
  });

  test.each([
    [
      { ALERT_SLACK_WEBHOOK: "hooks.slack.com/secret" },
      "ALERT_SLACK_WEBHOOK: expected a URL that begins with http:// or https://",
    ],
    [
      { ALERT_SLACK_WEBHOOK: "https://a", ALERT_SLACK_WEBHOOK_FILE: "/run/slack" },
      "ALERT_SLACK_WEBHOOK and ALERT_SLACK_WEBHOOK_FILE: expected one of them, got both",
    ],
    [{ ALERTMANAGER_URL_FILE: "/no" }, 'ALERTMANAGER_URL_FILE: cannot read "/no": ENOENT'],
    [
      { ALERT_WEBHOOK_URL: "file:///etc/passwd" },
      "ALERT_WEBHOOK_URL: expected a URL that begins with http:// or https://",
    ],
  ])("%j is refused", (env, message) => {
    expect(() => readAlertConfig(env, read)).toThrow(new ConfigError(message));
  });
});
