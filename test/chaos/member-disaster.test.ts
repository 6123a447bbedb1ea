/*
 * Disasters of a cluster of real members: the majority is lost and one goes on alone; a directory with data is started
 * over with the flags of a new cluster.
 */
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { EtcdClient } from "../../chaos/client/client.ts";
import { plainRange } from "../../chaos/client/plain-range.ts";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { memberIdOf, type Request, utf8Decode, utf8Encode } from "../../core/index.ts";
import { type RealCluster, RealMember, startCluster } from "../kit/real-members.ts";
import { putOf } from "../kit/requests.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(size: number): Promise<RealCluster> {
  const cluster = await startCluster(size);
  closers.push(() => cluster.close());
  await cluster.ready();
  return cluster;
}

function again(cluster: RealCluster, position: number, extra: readonly string[]): RealMember {
  const old = cluster.members[position];
  if (old === undefined) throw new Error("no such member");
  const member = new RealMember({ name: old.name, args: [...old.args, ...extra], logFile: `${old.logFile}.again` });
  closers.push(() => member.close());
  member.start();
  return member;
}

function clientOf(port: number | undefined): EtcdClient {
  const client = new EtcdClient({ endpoint: `127.0.0.1:${port}` });
  closers.push(() => client.close());
  return client;
}

/** Asks again until it is answered: a leader may not be there yet. */
async function ask(client: EtcdClient, request: Request) {
  for (let tries = 0; ; tries++) {
    const result = await client.call(request, { timeoutMs: 5_000 }).result;
    if (result.type === "reply") return result.reply;
    if (tries >= 40) throw new Error(`${request.type}: ${JSON.stringify(result)}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function heldAt(client: EtcdClient, key: string): Promise<string> {
  const { answer } = await ask(client, {
    ...plainRange,
    key: utf8Encode(key),
  });
  return answer.type === "range" ? utf8Decode(answer.keyValues[0]?.value ?? new Uint8Array()) : "";
}

async function namesAt(client: EtcdClient): Promise<readonly string[]> {
  const { answer } = await ask(client, { type: "memberList", linearizable: true });
  return answer.type === "memberList" ? answer.members.map(({ name }) => name) : [];
}

/** Member `name` is added to the cluster that one of its members is asked for, and serves. */
async function joins(cluster: RealCluster, position: number, name: string) {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const [clientUrl, peerUrl] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
  const client = clientOf(cluster.clientPorts[position]);
  await ask(client, { type: "memberAdd", memberId: memberIdOf(0n), peerUrls: [peerUrl], isLearner: false });
  const member = new RealMember({
    name,
    logFile: join(cluster.directory, `${name}.log`),
    args: [
      ...["--name", name, "--data-dir", join(cluster.directory, name), "--initial-cluster-state", "existing"],
      ...["--listen-client-urls", clientUrl, "--advertise-client-urls", clientUrl],
      ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
      ...["--initial-cluster", `m${position + 1}=http://127.0.0.1:${cluster.peerPorts[position]},${name}=${peerUrl}`],
    ],
  });
  closers.push(() => member.close());
  member.start();
  await member.logged("serving client traffic insecurely");
  return { member, clientPort };
}

test("a founder's old copy that led alone ends when the others turn up, and says what to do", async () => {
  const cluster = await start(1);
  const client = clientOf(cluster.clientPorts[0]);
  const [founder] = cluster.members;
  if (founder === undefined) throw new Error("no founder");
  const [data, copy] = [join(cluster.directory, "m1"), join(cluster.directory, "copy")];
  await ask(client, putOf("before", "1"));
  await founder.end("SIGTERM");
  cpSync(data, copy, { recursive: true });
  founder.start();
  const { member: other } = await joins(cluster, 0, "m2");
  await ask(client, putOf("together", "1"));
  for (const member of [other, founder]) await member.end("SIGTERM");
  // Nobody is there to tell it.
  rmSync(data, { recursive: true });
  cpSync(copy, data, { recursive: true });
  founder.start();
  await founder.logged("serving client traffic insecurely", 3);
  await ask(client, putOf("alone", "1"));
  other.start();
  expect(await founder.ended()).toEqual({ exitCode: 2, signal: null });
  const fatal = founder.log.split("\n").find((line) => line.includes("stopping: its history is not its cluster's"));
  expect(fatal).toMatch(/by its own list it is the only voter, but as of entry \d+ of [0-9a-f]+ others are/);
  expect(fatal).toMatch(/give it up with \\"etcdctl member remove [0-9a-f]+\\" at the others, and add it anew/);
  // Nor is it let in again: it is found at its start, and what it wrote alone contradicts what the other sends.
  founder.start();
  expect(await founder.ended()).toEqual({ exitCode: 2, signal: null });
  expect(founder.log.split("stopping: its history is not its cluster's")).toHaveLength(3);
}, 120_000);

describe("force-new-cluster", () => {
  test("the one that is left goes on alone with all it held; old members are turned away, and new ones join", async () => {
    const cluster = await start(3);
    const client = clientOf(cluster.clientPorts[1]);
    for (let number = 0; number < 20; number++) await ask(client, putOf(`k${number}`, `v${number}`));
    for (const member of cluster.members) await member.end("SIGKILL");
    const forced = again(cluster, 1, ["--force-new-cluster"]);
    await forced.logged("serving client traffic insecurely");
    expect(forced.log).toMatch(
      /force-new-cluster: members [0-9a-f]+, [0-9a-f]+ are removed and this one goes on alone/,
    );
    expect(await namesAt(client)).toEqual(["m2"]);
    for (let number = 0; number < 20; number++) expect(await heldAt(client, `k${number}`)).toBe(`v${number}`);
    await ask(client, putOf("after", "alone"));
    // Once more with the flag, then without: nothing changes any more.
    await forced.end("SIGTERM");
    forced.start();
    await forced.logged("this member is alone already; nothing was changed");
    await forced.logged("serving client traffic insecurely", 2);
    await forced.end("SIGKILL");
    const plain = again(cluster, 1, []);
    await plain.logged("serving client traffic insecurely");
    expect(await namesAt(client)).toEqual(["m2"]);
    expect(await heldAt(client, "after")).toBe("alone");
    // What is left of the old cluster ends by itself.
    const old = again(cluster, 0, []);
    await old.logged("the member has been permanently removed from the cluster");
    expect(await old.ended()).toEqual({ exitCode: 0, signal: null });
    // A new one learns the same past.
    const { clientPort } = await joins(cluster, 1, "m4");
    expect(await heldAt(clientOf(clientPort), "after")).toBe("alone");
    expect([...(await namesAt(client))].sort()).toEqual(["m2", "m4"]);
  }, 90_000);

  test("without data it is refused, and no member comes into being", async () => {
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    const directory = mkdtempSync(join(tmpdir(), "faultline-disaster-"));
    closers.push(() => rmSync(directory, { recursive: true, force: true }));
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    const clientUrl = `http://127.0.0.1:${clientPort}`;
    const data = join(directory, "data");
    const member = new RealMember({
      name: "m1",
      logFile: join(directory, "log"),
      args: [
        ...["--name", "m1", "--data-dir", data, "--force-new-cluster", "--initial-cluster", `m1=${peerUrl}`],
        ...["--listen-client-urls", clientUrl, "--advertise-client-urls", clientUrl],
        ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
      ],
    });
    closers.push(() => member.close());
    member.start();
    expect(await member.ended()).toEqual({ exitCode: 1, signal: null });
    expect(member.log).toContain("--force-new-cluster goes on with the data of a member, and");
    expect(readdirSync(join(data, "member"))).not.toContain("identity.json");
  });
});

test("a directory with data, started with the flags of a new cluster: the data win, and the member says so", async () => {
  const cluster = await start(1);
  const client = clientOf(cluster.clientPorts[0]);
  await ask(client, putOf("k", "v"));
  await cluster.members[0]?.end("SIGTERM");
  const over = again(cluster, 0, ["--initial-cluster-state", "new"]);
  await over.logged("serving client traffic insecurely");
  expect(over.log).toContain("the server is already initialized as member before, starting as etcd member...");
  expect(over.log).toContain("initial-cluster-state");
  expect(await heldAt(client, "k")).toBe("v");
});
