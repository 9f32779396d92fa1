/** Systems to compare with, each a program in a folder (README.md has the protocol). */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import {
  childrenOf,
  handleOf,
  isRunning,
  type ProcessHandle,
  signalAll,
} from "../e2e/processes.ts";
import type { Chain } from "./chain.ts";
import { CHAIN_NAMES, type Surroundings } from "./tollgate-chains.ts";

const READY_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 5_000;
/** What a test runner takes for "skipped". */
const NOT_INSTALLED_EXIT = 77;

export interface Peer {
  name: string;
  /** Has its program `start`. */
  folder: string;
  /** It may say that what it starts is not installed; otherwise that is a failure. */
  mayBeMissing: boolean;
}

export interface PeerAnnouncement {
  url: URL | null;
  headers: Record<string, string>;
}

/** A peer ended and said that its program is not installed. */
class NotInstalled extends Error {}

/**
 * The peers of the bench and those of the folder `added`, if there is one. Throws where that has
 * none, or has one with the name of another chain.
 */
export function findPeers(own: string, added: string | null): Peer[] {
  const found = peersIn(own, true);
  if (added === null) return found;
  const more = peersIn(added, false);
  if (more.length === 0) {
    throw new Error(`PEERS: no folder in ${added} has a program named start`);
  }
  const taken = new Set([...CHAIN_NAMES, ...found.map(({ name }) => name)]);
  const clash = more.find(({ name }) => taken.has(name));
  if (clash === undefined) return [...found, ...more];
  throw new Error(`PEERS: ${clash.folder}: the bench has a chain named ${clash.name} itself`);
}

function peersIn(parent: string, mayBeMissing: boolean): Peer[] {
  return readdirSync(parent)
    .sort()
    .map((name) => ({ name, folder: join(parent, name), mayBeMissing }))
    .filter(({ folder }) => canRun(join(folder, "start")));
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Takes one line that a peer printed. Throws for a `url` that is none, or not of this machine. */
export function readLine(line: string, announced: PeerAnnouncement): void {
  const [, keyword, value = ""] = /^(url|header) (.+)$/.exec(line.trim()) ?? [];
  if (keyword === "header") {
    const colon = value.indexOf(":");
    if (colon < 1) throw new Error(`expected "header name: value", found "${line}"`);
    announced.headers[value.slice(0, colon).trim()] = value.slice(colon + 1).trim();
  } else if (keyword === "url") {
    const url = URL.canParse(value) ? new URL(value) : null;
    if (url?.protocol !== "http:" || !["127.0.0.1", "localhost"].includes(url.hostname)) {
      throw new Error(`expected "url http://127.0.0.1:port[/prefix]", found "${line}"`);
    }
    announced.url = url;
  }
}

/**
 * Starts all of them; `started` is told of each at once, so that it can be stopped when a later one
 * cannot be started. Returns the names of those that are not installed.
 */
export async function startPeers(
  peers: readonly Peer[],
  surroundings: Surroundings,
  started: (chain: Chain) => void,
): Promise<string[]> {
  const missing: string[] = [];
  for (const peer of peers) {
    try {
      started(await startPeer(peer, surroundings));
    } catch (error) {
      if (!(error instanceof NotInstalled && peer.mayBeMissing)) throw error;
      missing.push(peer.name);
    }
  }
  return missing;
}

/** Starts one peer and waits until it says where it listens. */
async function startPeer(
  { name, folder }: Peer,
  { envoy, upstreamPort }: Surroundings,
): Promise<Chain> {
  const child = spawn(join(folder, "start"), [], {
    cwd: folder,
    env: {
      ...process.env,
      UPSTREAM: `http://127.0.0.1:${upstreamPort}`,
      WORKERS: "1",
      ENVOY: envoy,
    },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  try {
    const { url, headers } = await announcement(child, name);
    const counted = () => treeOf(child).map(({ pid }) => ({ name: commandOf(pid), pid }));
    return {
      name,
      title: name,
      url,
      headers,
      processes: counted,
      accounts: async () => null,
      stop: () => stopTree(child),
    };
  } catch (error) {
    await stopTree(child);
    throw error;
  }
}

function announcement(child: ChildProcess, name: string) {
  const announced: PeerAnnouncement = { url: null, headers: {} };
  return new Promise<{ url: URL; headers: Record<string, string> }>((resolve, reject) => {
    const failWith = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    const fail = (how: string) => failWith(new Error(`peer ${name}: ${how}`));
    const timer = setTimeout(() => fail(`no url after ${READY_DEADLINE_MS} ms`), READY_DEADLINE_MS);
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code) => {
      if (code === NOT_INSTALLED_EXIT) failWith(new NotInstalled(`peer ${name}: not installed`));
      else fail(`ended with ${code} before it was ready`);
    });
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.on("line", (line) => {
      try {
        readLine(line, announced);
      } catch (error) {
        fail((error as Error).message);
      }
      if (announced.url === null) return;
      clearTimeout(timer);
      resolve({ url: announced.url, headers: announced.headers });
    });
  });
}

/** The process and all that descends from it. */
function treeOf(child: ChildProcess): ProcessHandle[] {
  const own = handleOf(child.pid ?? 0);
  return own === null ? [] : [own, ...childrenOf(own.pid)];
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "gone";
  }
}

/** SIGTERM to `start`, which has to end what it started; what is left after that is killed. */
async function stopTree(child: ChildProcess): Promise<void> {
  const tree = treeOf(child);
  child.kill("SIGTERM");
  const until = Date.now() + STOP_DEADLINE_MS;
  while (tree.some(isRunning) && Date.now() < until) await sleep(20);
  signalAll(tree, "SIGKILL");
}
