/*
 * A real member whose data directory is an old copy and whose clock says nothing: the number of its start is below that
 * of a start the others have met.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { EtcdClient } from "../../chaos/client/client.ts";
import { noLease, utf8Encode } from "../../core/index.ts";
import { type RealCluster, startCluster } from "../kit/real-members.ts";

let cluster: RealCluster | undefined;
let client: EtcdClient | undefined;
afterEach(async () => {
  client?.close();
  await cluster?.close();
});

async function put(key: string): Promise<string> {
  const request = { type: "put", key: utf8Encode(key), value: utf8Encode("any"), lease: noLease } as const;
  const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
  const result = await client?.call({ ...request, ...flags }, { timeoutMs: 15_000 }).result;
  return result?.type === "reply" ? result.reply.answer.type : JSON.stringify(result);
}

const startNumber = (identity: string): number => JSON.parse(readFileSync(identity, "utf8")).incarnation;

test("a member whose start is numbered below an earlier one begins again by itself, and counts", async () => {
  cluster = await startCluster(3);
  await cluster.ready();
  const [first, second, third] = cluster.members;
  if (first === undefined || second === undefined || third === undefined) throw new Error("three members");
  const [port] = cluster.clientPorts;
  client = new EtcdClient({ endpoint: `127.0.0.1:${port}` });
  await third.end("SIGKILL");
  const home = join(cluster.directory, "m3");
  const copy = `${home}.copy`;
  cpSync(home, copy, { recursive: true });
  // As if it had started while the clock was far in the future.
  const identity = join(home, "member", "identity.json");
  const farNumber = 2 ** 52;
  writeFileSync(identity, JSON.stringify({ ...JSON.parse(readFileSync(identity, "utf8")), incarnation: farNumber }));
  third.start();
  await third.logged("serving client traffic insecurely", 2);
  expect(await put("while it is there")).toBe("put");
  const farStart = startNumber(identity);
  expect(farStart).toBeGreaterThan(farNumber);
  await third.end("SIGKILL");
  rmSync(home, { recursive: true });
  cpSync(copy, home, { recursive: true });
  third.start();
  await third.logged("starting again: other members know a later start of this one");
  await third.logged("serving client traffic insecurely", 3);
  expect(startNumber(identity)).toBeGreaterThan(farStart);
  expect(third.log.split("starting again")).toHaveLength(2);
  // It is needed for a majority now; with a number of its own clock the leader would not hear it.
  await second.end("SIGTERM");
  expect(await put("while it is needed")).toBe("put");
  expect(await third.end("SIGTERM")).toEqual({ exitCode: null, signal: "SIGTERM" });
});
