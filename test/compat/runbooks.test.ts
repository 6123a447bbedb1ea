/*
 * Operators' runbooks on running members, step by step with etcd's own etcdctl, as etcd's operations guide has them.
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Authority } from "../kit/certificates.ts";
import { etcdctl, type RealCluster, RealMember, startCluster, whyNoEtcdctl } from "../kit/real-members.ts";

const whyNot = whyNoEtcdctl();
const suite = whyNot === undefined ? describe : describe.skip;
/** For a member's start on a busy machine. */
const startMs = 120_000;
const patience = { timeout: 600_000 };

suite(`runbooks${whyNot === undefined ? "" : `: skipped, ${whyNot}`}`, () => {
  let directory: string;
  let cluster: RealCluster;
  let later: RealMember[];
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "faultline-runbooks-"));
    later = [];
    cluster = await startCluster(3);
    await Promise.all(cluster.members.map((member) => member.logged("serving client traffic", 1, startMs)));
  }, patience.timeout);
  afterEach(async () => {
    await Promise.all(later.map((member) => member.close()));
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  }, patience.timeout);
  const ctl = async (...args: string[]): Promise<string> => {
    const { stdout, stderr, exitCode } = await etcdctl(cluster.endpoints, ["--command-timeout=30s", ...args]);
    expect([args, exitCode, stderr]).toEqual([args, 0, expect.any(String)]);
    return stdout;
  };
  /** Asked again a few times: what was on its way to a leader that just ended is lost with it, as with etcd. */
  const putBesideADeadMember = async (key: string): Promise<void> => {
    const words = ["--command-timeout=30s", "put", key, "1"];
    let last = "";
    for (let tries = 0; tries < 5; tries++) {
      const { stdout, stderr } = await etcdctl(cluster.endpoints, words);
      if (stdout === "OK\n") return;
      last = stderr;
    }
    throw new Error(`${key} was not written: ${last}`);
  };

  test("a rolling restart: writes go on at the others, and none that was acknowledged is lost", {
    timeout: 300_000,
  }, async () => {
    const acknowledged: string[] = [];
    let stage = "";
    let isDone = false;
    const writing = (async () => {
      for (let number = 0; !isDone; number++) {
        const key = `${stage}/${number}`;
        const { exitCode } = await etcdctl(cluster.endpoints, ["--command-timeout=10s", "put", key, "1"]);
        if (exitCode === 0) acknowledged.push(key);
      }
    })();
    for (const member of cluster.members) {
      stage = member.name;
      await member.end("SIGTERM");
      const before = acknowledged.length;
      while (acknowledged.length < before + 3) await new Promise((resolve) => setTimeout(resolve, 50));
      member.start();
      await member.logged("serving client traffic", 2, startMs);
    }
    isDone = true;
    await writing;
    const keys = (await ctl("get", "", "--prefix", "--keys-only")).split("\n");
    expect(acknowledged.filter((key) => !keys.includes(key))).toEqual([]);
  });

  test("a member whose machine was put back to an old snapshot comes back by itself, and says and holds what the others do", {
    timeout: 300_000,
  }, async () => {
    type Status = { Endpoint: string; Status: { raftTerm: number; leader: number; header: { revision: number } } };
    type Hash = { Endpoint: string; HashKV: { hash: number; header: { revision: number } } };
    const statuses = async (): Promise<Status[]> => JSON.parse(await ctl("endpoint", "status", "-w", "json"));
    const hashes = async (): Promise<Hash[]> => JSON.parse(await ctl("endpoint", "hashkv", "-w", "json"));
    const [old] = cluster.members;
    if (old === undefined) throw new Error("no member");
    const [data, copy] = [join(cluster.directory, old.name), join(directory, "copy")];
    for (let number = 0; number < 5; number++) await ctl("put", `before/${number}`, "1");
    // A snapshot of a machine that runs: what is on its disk at one moment.
    old.signal("SIGSTOP");
    cpSync(data, copy, { recursive: true });
    old.signal("SIGCONT");
    // Members vote, log and compact in the meantime: it forgets all of that.
    for (let number = 0; number < 5; number++) await ctl("put", `after/${number}`, "1");
    const lines = (await ctl("endpoint", "status"))
      .trim()
      .split("\n")
      .map((line) => line.split(", "));
    const [leader, follower] = ["true", "false"].map((isLeader) => lines.find((line) => line[4] === isLeader));
    expect((await etcdctl(leader?.[0] ?? "", ["move-leader", follower?.[1] ?? ""])).exitCode).toBe(0);
    await ctl("put", "after/5", "1");
    await old.end("SIGKILL");
    await putBesideADeadMember("while-it-is-down");
    rmSync(data, { recursive: true });
    cpSync(copy, data, { recursive: true });
    old.start();
    await old.logged("serving client traffic", 2, startMs);
    await old.logged("this member has learned again what it had forgotten, and counts", 1, startMs);
    await ctl("put", "afterwards", "1");
    // Its own answer, from what it holds itself.
    const own = cluster.endpoints.split(",")[0] ?? "";
    const held = await etcdctl(own, ["--command-timeout=30s", "get", "", "--prefix", "--keys-only"]);
    expect(held.stdout.split("\n").filter((key) => key !== "")).toEqual([
      ...Array.from({ length: 6 }, (_none, number) => `after/${number}`),
      ...["afterwards", ...Array.from({ length: 5 }, (_none, number) => `before/${number}`), "while-it-is-down"],
    ]);
    const [said, held3] = [await statuses(), await hashes()];
    expect(said).toHaveLength(3);
    expect(
      new Set(said.map(({ Status }) => `${Status.leader} ${Status.raftTerm} ${Status.header.revision}`)).size,
    ).toBe(1);
    expect(held3).toHaveLength(3);
    expect(new Set(held3.map(({ HashKV }) => `${HashKV.hash} ${HashKV.header.revision}`)).size).toBe(1);
    // It counts again: with another member down the two of them are a majority.
    await cluster.members[2]?.end("SIGKILL");
    await putBesideADeadMember("the two of us");
  });

  test("peers change from plain text to TLS, member by member, with a quorum all the while", {
    timeout: 300_000,
  }, async () => {
    const authority = await Authority.create(join(directory, "ca"));
    const pair = await authority.issue("peer", { hosts: ["127.0.0.1"] });
    const files = [
      ...["--peer-cert-file", pair.certFile, "--peer-key-file", pair.keyFile],
      ...["--peer-trusted-ca-file", authority.caFile, "--peer-client-cert-auth"],
    ];
    const restarted = async (old: RealMember, args: readonly string[]): Promise<RealMember> => {
      const member = new RealMember({ name: old.name, logFile: `${old.logFile}.${later.length}`, args });
      await old.end("SIGTERM");
      later.push(member);
      member.start();
      await member.logged("serving client traffic", 1, startMs);
      expect(await ctl("put", `after-${later.length}`, "1")).toBe("OK\n");
      return member;
    };
    // First every member gets the files, and still listens in plain text.
    const prepared: RealMember[] = [];
    for (const member of cluster.members) prepared.push(await restarted(member, [...member.args, ...files]));
    expect(prepared[0]?.log).toContain("scheme is HTTP while key and cert files are present");
    // Then one after the other says that it is reached by https from now on, and is.
    for (const [position, member] of prepared.entries()) {
      const line = (await ctl("member", "list")).split("\n").find((each) => each.includes(`, ${member.name}, `));
      const [id = ""] = line?.split(", ") ?? [];
      const url = `https://127.0.0.1:${cluster.peerPorts[position]}`;
      expect(await ctl("member", "update", id, `--peer-urls=${url}`)).toMatch(/ updated in cluster /);
      await restarted(
        member,
        member.args.map((arg, at) => (/peer-urls$/.test(member.args[at - 1] ?? "") ? url : arg)),
      );
    }
    const list = await ctl("member", "list");
    expect(list.match(/https:\/\//g)).toHaveLength(3);
    for (const endpoint of cluster.endpoints.split(",")) {
      const { stdout } = await etcdctl(endpoint, ["--command-timeout=30s", "get", "after-", "--prefix", "--keys-only"]);
      expect(stdout.split("\n").filter((key) => key !== "")).toHaveLength(6);
    }
  });
});
