/** A local HTTP receiver that keeps what it is sent, and answers as it is told. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Alert } from "../../../limitador-bridge/alerts/alert.ts";

export interface Received {
  method: string | undefined;
  path: string | undefined;
  contentType: string | undefined;
  body: unknown;
}

export interface Receiver {
  url: string;
  received: Received[];
  /** Statuses of the next answers, with a Retry-After where given; 200 when there are no more. */
  answers: [status: number, retryAfter?: string][];
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const answers: Receiver["answers"] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("end", () => {
      const { method, url: path, headers } = request;
      received.push({ method, path, contentType: headers["content-type"], body: JSON.parse(text) });
      const [status, retryAfter] = answers.shift() ?? [200];
      response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter });
      response.end("ok");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export const NOW_MS = Date.UTC(2026, 10, 15, 12);

export function alert(key: string, change: Partial<Alert> = {}): Alert {
  return {
    key,
    name: "LLMBudgetThreshold",
    severity: "info",
    summary: "Team <blue> & co have reached 50 %.",
    channel: "#costs",
    startsAtMs: NOW_MS,
    endsAtMs: Date.UTC(2026, 11, 1),
    labels: { team: "blue", percent: "50" },
    details: { usedNanoUsd: 5 },
    ...change,
  };
}
