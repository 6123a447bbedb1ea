/*
 * Members that come and go, as an operator sees them: stock etcdctl against real processes.
 */
import { join } from "node:path";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { freePorts } from "../../chaos/link/free-ports.ts";
import {
  type CtlResult,
  etcdctl,
  type RealCluster,
  RealMember,
  startCluster,
  whyNoEtcdctl,
} from "../kit/real-members.ts";

const removedText = "the member has been permanently removed from the cluster";
/** Connections count for changes of members after five seconds. */
const steadyMs = 5_300;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const clusters: RealCluster[] = [];
const extra: RealMember[] = [];
afterEach(async () => {
  for (const member of extra.splice(0)) await member.close();
  for (const cluster of clusters.splice(0)) await cluster.close();
});

async function start(size: number, args: readonly string[] = []): Promise<RealCluster> {
  const cluster = await startCluster(size, args);
  clusters.push(cluster);
  await cluster.ready();
  return cluster;
}

interface Place {
  readonly name: string;
  readonly clientPort: number;
  readonly peerUrl: string;
}

async function placeFor(name: string): Promise<Place> {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  return { name, clientPort, peerUrl: `http://127.0.0.1:${peerPort}` };
}

/** A process for a member that was added; `environment` is what `member add` printed. */
function joinAs(cluster: RealCluster, place: Place, initialCluster: string, args: readonly string[] = []): RealMember {
  const clientUrl = `http://127.0.0.1:${place.clientPort}`;
  const member = new RealMember({
    name: place.name,
    logFile: join(cluster.directory, `${place.name}.log`),
    args: [
      ...["--name", place.name, "--data-dir", join(cluster.directory, place.name)],
      ...["--listen-client-urls", clientUrl, "--advertise-client-urls", clientUrl],
      ...["--listen-peer-urls", place.peerUrl, "--initial-advertise-peer-urls", place.peerUrl],
      ...["--initial-cluster", initialCluster, "--initial-cluster-state", "existing"],
      ...args,
    ],
  });
  extra.push(member);
  member.start();
  return member;
}

/** What the health service every gRPC server has says of it. */
function healthOf(place: Place): Promise<"serving" | [number, string]> {
  const client = new Client(`127.0.0.1:${place.clientPort}`, credentials.createInsecure());
  const asIs = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      asIs,
      asIs,
      Buffer.alloc(0),
      (error: ServiceError | null) => {
        client.close();
        resolve(error === null ? "serving" : [error.code, error.details]);
      },
    );
  });
}

/** Many clients that write all the time, each to one member. */
function startCrowd(endpoints: readonly string[]) {
  let isOver = false;
  let written = 0;
  let longestMs = 0;
  const refused: string[] = [];
  const body = JSON.stringify({ key: btoa("k"), value: btoa("v") });
  async function writeAll(endpoint: string): Promise<void> {
    while (!isOver) {
      const startedMs = performance.now();
      const answer = await fetch(`http://${endpoint}/v3/kv/put`, { method: "POST", body });
      const text = await answer.text();
      longestMs = Math.max(longestMs, performance.now() - startedMs);
      written += 1;
      if (!answer.ok) refused.push(text);
    }
  }
  const writers = Array.from({ length: 64 }, (_, client) => writeAll(endpoints[client % endpoints.length] ?? ""));
  return {
    async hasWritten(count: number): Promise<void> {
      while (written < count) await sleep(20);
    },
    async stop(): Promise<{ readonly refused: readonly string[]; readonly longestMs: number }> {
      isOver = true;
      await Promise.all(writers);
      return { refused, longestMs };
    },
  };
}

/** Fails the test with what the command printed. */
function done(result: CtlResult): string {
  expect(result, `${result.stdout}${result.stderr}`).toMatchObject({ exitCode: 0 });
  return result.stdout;
}

async function memberList(endpoints: string): Promise<string[][]> {
  const lines = done(await etcdctl(endpoints, ["member", "list"]))
    .trim()
    .split("\n");
  return lines.map((line) => line.split(", "));
}

/** Adds the member and returns what its process is to be told of the cluster. */
async function add(cluster: RealCluster, place: Place, flags: readonly string[] = []) {
  const stdout = done(
    await etcdctl(cluster.endpoints, ["member", "add", place.name, `--peer-urls=${place.peerUrl}`, ...flags]),
  );
  const initialCluster = /ETCD_INITIAL_CLUSTER="([^"]*)"/.exec(stdout)?.[1] ?? "";
  const id = /^Member +([0-9a-f]+) added to cluster +[0-9a-f]+$/m.exec(stdout)?.[1] ?? "";
  return { stdout, initialCluster, id };
}

async function leaderOf(cluster: RealCluster): Promise<number> {
  for (const [position, port] of cluster.clientPorts.entries()) {
    const result = await etcdctl(`127.0.0.1:${port}`, ["endpoint", "status"]);
    if (result.exitCode === 0 && result.stdout.split(", ")[4] === "true") return position;
  }
  throw new Error("no leader");
}

/** A change that is asked of a leader that dies, or loses its office, is lost with it: there has to be one that stays. */
async function newLeader(cluster: RealCluster): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    if ((await etcdctl(cluster.endpoints, ["put", "k", "v"])).exitCode === 0) return;
  }
  throw new Error("no leader");
}

describe.skipIf(whyNoEtcdctl() !== undefined)("members come and go", () => {
  test("a member is added with the words of etcdctl, joins with the data of the others, and is removed again", async () => {
    const cluster = await start(3);
    done(await etcdctl(cluster.endpoints, ["put", "k", "v"]));
    const place = await placeFor("m4");
    const early = await etcdctl(cluster.endpoints, ["member", "add", "m4", `--peer-urls=${place.peerUrl}`]);
    expect(early.stderr).toContain("etcdserver: unhealthy cluster");
    await sleep(steadyMs);
    const { stdout, initialCluster, id } = await add(cluster, place);
    expect(stdout).toContain(`ETCD_NAME="m4"`);
    expect(stdout).toContain(`ETCD_INITIAL_ADVERTISE_PEER_URLS="${place.peerUrl}"`);
    expect(stdout).toContain(`ETCD_INITIAL_CLUSTER_STATE="existing"`);
    expect((await memberList(cluster.endpoints)).filter((columns) => columns[1] === "unstarted")).toHaveLength(1);
    const member = joinAs(cluster, place, initialCluster);
    await member.logged("serving client traffic insecurely");
    expect(done(await etcdctl(`127.0.0.1:${place.clientPort}`, ["get", "k", "--print-value-only"])).trim()).toBe("v");
    const listed = (await memberList(cluster.endpoints)).find((columns) => columns[0] === id);
    expect(listed).toEqual([id, "started", "m4", place.peerUrl, `http://127.0.0.1:${place.clientPort}`, "false"]);

    // It restarts from its directory, with flags that are out of date by then.
    await member.end("SIGTERM");
    member.start();
    await member.logged("serving client traffic insecurely", 2);

    await sleep(steadyMs);
    expect(done(await etcdctl(cluster.endpoints, ["member", "remove", id]))).toMatch(
      new RegExp(`^Member +${id} removed from cluster +[0-9a-f]+$`, "m"),
    );
    expect(await member.ended()).toEqual({ exitCode: 0, signal: null });
    await member.logged(removedText);
    await member.logged("data-dir used by this member must be removed");
    member.start();
    expect(await member.ended()).toEqual({ exitCode: 0, signal: null });
    const again = await etcdctl(cluster.endpoints, ["member", "remove", id]);
    expect(again.stderr).toContain("etcdserver: member not found");
  }, 150_000);

  test("a dead member is replaced, and one that was away while it was removed ends when it comes back", async () => {
    const cluster = await start(3);
    await sleep(steadyMs);
    done(await etcdctl(cluster.endpoints, ["put", "k", "v"]));
    const dead = cluster.members[2] as RealMember;
    await dead.end("SIGKILL");
    const place = await placeFor("m4");
    const early = await etcdctl(cluster.endpoints, ["member", "add", "m4", `--peer-urls=${place.peerUrl}`]);
    expect(early.stderr).toContain("etcdserver: unhealthy cluster");
    await newLeader(cluster);
    const deadId = (await memberList(cluster.endpoints)).find((columns) => columns[2] === "m3")?.[0] ?? "";
    done(await etcdctl(cluster.endpoints, ["member", "remove", deadId]));
    const { initialCluster } = await add(cluster, place);
    const member = joinAs(cluster, place, initialCluster);
    await member.logged("serving client traffic insecurely");
    done(await etcdctl(`127.0.0.1:${place.clientPort}`, ["put", "k", "w"]));
    dead.start();
    expect(await dead.ended()).toEqual({ exitCode: 0, signal: null });
    await dead.logged(removedText);
    expect(await memberList(cluster.endpoints)).toHaveLength(3);
  }, 150_000);

  test("one member grows to two; a learner catches up and is promoted", async () => {
    const cluster = await start(1);
    done(await etcdctl(cluster.endpoints, ["put", "k", "v"]));
    const place = await placeFor("m2");
    const { initialCluster, id } = await add(cluster, place, ["--learner"]);
    const early = await etcdctl(cluster.endpoints, ["member", "promote", id]);
    expect(early.stderr).toContain("etcdserver: can only promote a learner member which is in sync with leader");
    const second = await etcdctl(cluster.endpoints, [
      "member",
      "add",
      "m3",
      "--peer-urls=http://127.0.0.1:1",
      "--learner",
    ]);
    expect(second.stderr).toContain("etcdserver: too many learner members in cluster");
    const member = joinAs(cluster, place, initialCluster);
    await member.logged("serving client traffic insecurely");
    const refused = await etcdctl(`127.0.0.1:${place.clientPort}`, ["put", "k", "w"]);
    expect(refused.stderr).toContain("etcdserver: rpc not supported for learner");
    const learnerOnly = [9, "etcdserver: rpc not supported for learner"];
    expect(await healthOf(place)).toEqual(learnerOnly);
    expect(done(await etcdctl(cluster.endpoints, ["member", "promote", id]))).toMatch(
      /^Member .* promoted in cluster /m,
    );
    done(await etcdctl(`127.0.0.1:${place.clientPort}`, ["put", "k", "w"]));
    expect(await healthOf(place)).toBe("serving");
    expect((await memberList(cluster.endpoints)).map((columns) => columns[5])).toEqual(["false", "false"]);
  }, 120_000);

  test("a member moves to other addresses", async () => {
    const cluster = await start(3);
    const moved = cluster.members[1] as RealMember;
    const id = (await memberList(cluster.endpoints)).find((columns) => columns[2] === "m2")?.[0] ?? "";
    const { peerUrl } = await placeFor("m2");
    await newLeader(cluster);
    // Whoever restarts it there first is told what is missing.
    const args = moved.args.map((word) => (word === `http://127.0.0.1:${cluster.peerPorts[1]}` ? peerUrl : word));
    await moved.end("SIGTERM");
    const early = new RealMember({ name: "m2", logFile: join(cluster.directory, "m2-early.log"), args });
    extra.push(early);
    early.start();
    await early.logged(`etcdctl member update ${id} --peer-urls=${peerUrl}`);
    await early.end("SIGTERM");
    moved.start();
    await moved.logged("serving client traffic insecurely", 2);
    await newLeader(cluster);
    // A leader that loses its place takes a change that was on its way with it; asked again, an update changes no more.
    const update = ["member", "update", id, `--peer-urls=${peerUrl}`];
    let updated = await etcdctl(cluster.endpoints, update);
    for (let attempt = 1; attempt < 5 && /DeadlineExceeded|timed out/.test(updated.stderr); attempt++)
      updated = await etcdctl(cluster.endpoints, update);
    expect(done(updated)).toMatch(/^Member .* updated in cluster /m);
    await moved.end("SIGTERM");
    const again = new RealMember({ name: "m2", logFile: join(cluster.directory, "m2-again.log"), args });
    extra.push(again);
    again.start();
    await again.logged("serving client traffic insecurely");
    done(await etcdctl(`127.0.0.1:${cluster.clientPorts[1]}`, ["put", "k", "v"]));
    expect(again.log).not.toContain("look for this one elsewhere");
  }, 120_000);

  test("the leader removes itself, and the others go on", async () => {
    const cluster = await start(3);
    await sleep(steadyMs);
    const position = await leaderOf(cluster);
    const leader = cluster.members[position] as RealMember;
    const id = (await memberList(cluster.endpoints)).find((columns) => columns[2] === leader.name)?.[0] ?? "";
    done(await etcdctl(`127.0.0.1:${cluster.clientPorts[position]}`, ["member", "remove", id]));
    const rest = cluster.clientPorts.filter((_port, other) => other !== position).map((port) => `127.0.0.1:${port}`);
    expect(await leader.ended()).toEqual({ exitCode: 0, signal: null });
    // A write that a follower sent to the leader in its last moment is lost with it, so the first one may time out.
    await newLeader({ ...cluster, endpoints: rest.join(",") });
    done(await etcdctl(rest.join(","), ["put", "k", "v"]));
  }, 120_000);

  test("a write asked of a follower right after its leader died waits for the next one", async () => {
    const cluster = await start(3);
    const position = await leaderOf(cluster);
    const other = (position + 1) % 3;
    const asked = cluster.members[other] as RealMember;
    const port = `127.0.0.1:${cluster.clientPorts[other]}`;
    done(await etcdctl(port, ["put", "k", "v"]));
    await (cluster.members[position] as RealMember).end("SIGKILL");
    await asked.logged("lost TCP streaming connection with remote peer");
    // Within the time that etcdctl has by default, and without asking again.
    done(await etcdctl(port, ["put", "k", "w"]));
  }, 120_000);

  test("leadership moves on demand, and before the leader ends", async () => {
    const cluster = await start(3);
    const position = await leaderOf(cluster);
    const other = (position + 1) % 3;
    const id = (await memberList(cluster.endpoints)).find((columns) => columns[2] === `m${other + 1}`)?.[0] ?? "";
    expect(done(await etcdctl(cluster.endpoints, ["move-leader", id]))).toMatch(
      new RegExp(`^Leadership transferred from [0-9a-f]+ to ${id}$`, "m"),
    );
    expect(await leaderOf(cluster)).toBe(other);
    const leader = cluster.members[other] as RealMember;
    const rest = cluster.clientPorts.filter((_port, at) => at !== other).map((port) => `127.0.0.1:${port}`);
    const crowd = startCrowd(rest);
    await crowd.hasWritten(100);
    leader.signal("SIGTERM");
    await leader.logged("leadership transfer finished");
    await leader.ended();
    // What the followers were sending to the leader that left is not lost with it: that would take a request's timeout.
    const { refused, longestMs } = await crowd.stop();
    expect(refused).toEqual([]);
    expect(longestMs).toBeLessThan(5_000);
    done(await etcdctl(rest.join(","), ["put", "k", "v"]));
  }, 120_000);
});

describe.skipIf(whyNoEtcdctl() !== undefined)("starts that must not join", () => {
  test("without a running cluster, with another list, or in a place that was taken", async () => {
    const cluster = await start(1);
    const place = await placeFor("m2");
    const peerUrl = `http://127.0.0.1:${cluster.peerPorts[0]}`;
    const stray = joinAs(cluster, place, `m1=${peerUrl},m2=${place.peerUrl}`);
    expect(await stray.ended()).toEqual({ exitCode: 1, signal: null });
    await stray.logged("member count is unequal");
    const alone = joinAs(cluster, { ...place, name: "m3" }, `m1=http://127.0.0.1:1,m3=${place.peerUrl}`);
    expect(await alone.ended()).toEqual({ exitCode: 1, signal: null });
    await alone.logged("could not retrieve cluster information from the given URLs");
    const { initialCluster } = await add(cluster, place);
    const other = await placeFor("m4");
    const wrong = joinAs(cluster, other, `m1=${peerUrl},m4=${other.peerUrl}`);
    expect(await wrong.ended()).toEqual({ exitCode: 1, signal: null });
    await wrong.logged("PeerURLs: no match found for existing member");
    const member = joinAs(cluster, place, initialCluster);
    await member.logged("serving client traffic insecurely");
    await member.end("SIGKILL");
    const double = joinAs(cluster, { ...place, name: "m2b" }, initialCluster.replace("m2=", "m2b="));
    expect(await double.ended()).toEqual({ exitCode: 1, signal: null });
    await double.logged("has already been bootstrapped");
  }, 120_000);
});
