/** The alert queue as it is configured. */
import type { Log } from "../admission/ports.ts";
import type { AlertConfig } from "./config.ts";
import { deadLetterFile } from "./dead-letters.ts";
import type { AlertMarks } from "./mark.ts";
import { AlertQueue, type AlertResult } from "./queue.ts";
import { alertmanagerSender, type Sender, slackSender, webhookSender } from "./sender.ts";

export interface OpenAlertsParts {
  config: AlertConfig;
  marks: AlertMarks;
  count: (sender: string, result: AlertResult) => void;
  log: Log;
  nowMs: () => number;
}

/** Opens the queue; with no receiver configured alerts are only logged. */
export function openAlerts({ config, ...parts }: OpenAlertsParts): AlertQueue {
  const { slackUrl, webhookUrl, alertmanagerUrl } = config;
  const senders: Sender[] = [];
  if (slackUrl !== null) senders.push(slackSender(slackUrl));
  if (webhookUrl !== null) senders.push(webhookSender(webhookUrl));
  if (alertmanagerUrl !== null) senders.push(alertmanagerSender(alertmanagerUrl));
  return new AlertQueue({ ...parts, senders, deadLetters: deadLetterFile(config.deadLetterFile) });
}
