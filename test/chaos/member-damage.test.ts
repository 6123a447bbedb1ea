/*
 * Real members whose disk was damaged while they were down: a flipped bit in the middle of the log.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { EtcdClient } from "../../chaos/client/client.ts";
import { plainRange } from "../../chaos/client/plain-range.ts";
import { type Request, utf8Decode, utf8Encode } from "../../core/index.ts";
import { type RealCluster, startCluster } from "../kit/real-members.ts";
import { putOf } from "../kit/requests.ts";

const clusters: RealCluster[] = [];
const clients: EtcdClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const cluster of clusters.splice(0)) await cluster.close();
});

async function start(size: number): Promise<{ readonly cluster: RealCluster; readonly at: readonly EtcdClient[] }> {
  const cluster = await startCluster(size);
  clusters.push(cluster);
  await cluster.ready();
  const at = cluster.clientPorts.map((port) => new EtcdClient({ endpoint: `127.0.0.1:${port}` }));
  clients.push(...at);
  return { cluster, at };
}

/** Asks again until it is answered: a leader may just have ended. */
async function askSurely(client: EtcdClient | undefined, request: Request): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await ask(client, request);
      return;
    } catch (error) {
      if (tries >= 40) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

async function ask(client: EtcdClient | undefined, request: Request) {
  const result = await client?.call(request, { timeoutMs: 15_000 }).result;
  if (result?.type !== "reply") throw new Error(`${request.type}: ${JSON.stringify(result)}`);
  return result.reply.answer;
}

/** What a member itself holds under those keys, without asking another one. */
async function heldBy(client: EtcdClient | undefined, keys: readonly string[]): Promise<string[]> {
  const held: string[] = [];
  for (const key of keys) {
    const answer = await ask(client, {
      ...plainRange,
      key: utf8Encode(key),
      serializable: true,
    });
    held.push(answer.type === "range" ? utf8Decode(answer.keyValues[0]?.value ?? new Uint8Array()) : "");
  }
  return held;
}

/** Flips one bit in the newest place where that text stands in the log. */
function flipBitAt(dataDirectory: string, text: string): void {
  const directory = join(dataDirectory, "member", "wal");
  for (const name of readdirSync(directory)) {
    const bytes = readFileSync(join(directory, name));
    const place = bytes.lastIndexOf(text);
    if (place < 0) continue;
    bytes[place] = (bytes[place] ?? 0) ^ 4;
    writeFileSync(join(directory, name), bytes);
    return;
  }
  throw new Error(`"${text}" is not in the log`);
}

const keys = Array.from({ length: 30 }, (_, position) => `key-${position}`);

describe("a bit flips in the middle of the log", () => {
  test("one of three members is filled up by the others, by itself, and then counts again", async () => {
    const { cluster, at } = await start(3);
    for (const key of keys) await ask(at[0], putOf(key, `first ${key}.`));
    const [, second, third] = cluster.members;
    if (second === undefined || third === undefined) throw new Error("three members");
    await second.end("SIGKILL");
    flipBitAt(join(cluster.directory, "m2"), "first key-10.");
    // Meanwhile the others go on, with another leader if it was the one that led.
    for (const key of keys) await askSurely(at[0], putOf(key, `second ${key}.`));
    second.start();
    await second.logged("the disk damaged it");
    await second.logged("this member has learned again what it had forgotten, and counts");
    expect(second.log).toMatch(/among them entries \d+ to \d+: it keeps entries up to \d+/);
    expect(readdirSync(join(cluster.directory, "m2", "member", "wal-damaged"))).toHaveLength(1);
    await second.logged("serving client traffic insecurely", 2);
    // It is needed for a majority now.
    await third.end("SIGKILL");
    await askSurely(at[1], putOf("after", "all"));
    expect(await heldBy(at[1], [...keys, "after"])).toEqual([...keys.map((key) => `second ${key}.`), "all"]);
    // The damage is gone for good: it starts as any other.
    await second.end("SIGTERM");
    second.start();
    third.start();
    await second.logged("serving client traffic insecurely", 3);
    expect(second.log.split("the disk damaged it")).toHaveLength(2);
  });

  test("a member that is alone refuses to start, says what to do, and changes nothing", async () => {
    const { cluster, at } = await start(1);
    for (const key of keys) await ask(at[0], putOf(key, `first ${key}.`));
    const [member] = cluster.members;
    if (member === undefined) throw new Error("one member");
    await member.end("SIGKILL");
    flipBitAt(join(cluster.directory, "m1"), "first key-10.");
    const wal = join(cluster.directory, "m1", "member", "wal");
    const contents = (): string[] =>
      readdirSync(wal).map((name) => `${name} ${readFileSync(join(wal, name), "latin1")}`);
    const before = contents();
    member.start();
    expect(await member.ended()).toEqual({ exitCode: 1, signal: null });
    expect(member.log).toContain("the disk damaged it. Do not start this member on this log.");
    expect(member.log).toContain("No other voter is known here that could fill this member up by itself.");
    expect(contents()).toEqual(before);
  });
});
