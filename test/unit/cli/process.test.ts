import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { checkFree, freePort } from "../../../limitador-bridge/cli/ports.ts";
import {
  answers,
  checkRunning,
  checkStaying,
  start,
} from "../../../limitador-bridge/cli/process.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Another process's server, as far as the part can tell. */
async function listening(beforeAnswer: () => unknown = () => {}): Promise<number> {
  const server = createServer(async (_, response) => {
    await beforeAnswer();
    response.end("ok");
  });
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const part = (script: string) => start("the part", process.execPath, ["-e", script], process.env);
const runningPart = () => part("setInterval(() => {}, 1000)");

test("another process's answer is not that of a part that has ended", async () => {
  const ended = await part("process.exit(3)");
  const url = `http://127.0.0.1:${await listening(() => ended.ended)}/`;
  await expect(answers(ended, url, 5000)).rejects.toThrow("the part ended by exit code 3");
  await expect(checkRunning(ended)).rejects.toThrow("the part ended by exit code 3");
});

test("nor is it that of a part that ends a little later", async () => {
  const part = await runningPart();
  await answers(part, `http://127.0.0.1:${await listening()}/`, 5000);
  setTimeout(() => process.kill(part.pid, "SIGKILL"), 20);
  await expect(checkStaying([part])).rejects.toThrow("the part ended by signal SIGKILL");
});

test("a part that runs is believed", async () => {
  const url = `http://127.0.0.1:${await listening()}/`;
  const running = await runningPart();
  await answers(running, url, 5000);
  await checkStaying([running]);
  await running.stop(5000);
  await expect(checkRunning(running)).rejects.toThrow("the part ended by signal SIGTERM");
});

test("a port that is taken is told by its variable", async () => {
  const port = await listening();
  const wanted = { variable: "API_PORT", host: "127.0.0.1", port };
  await expect(checkFree([wanted])).rejects.toThrow(
    `API_PORT: expected a free port, found 127.0.0.1:${port}, where another process listens; ` +
      "set API_PORT",
  );
  const free = await freePort("127.0.0.1", [wanted]);
  expect(free).not.toBe(port);
  const api = { variable: "API_PORT", host: "127.0.0.1", port: free };
  await checkFree([api]);
  await expect(checkFree([api, { ...api, variable: "PROXY_PORT" }])).rejects.toThrow(
    `PROXY_PORT: expected a port of its own, found ${free}, which is API_PORT too`,
  );
});
