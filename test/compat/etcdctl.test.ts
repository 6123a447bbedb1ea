/*
 * etcd's own etcdctl 3.4 against a cluster of three of our members: what it prints is what it prints of etcd.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { etcdctl, type RealCluster, spawnEtcdctl, startCluster, until, whyNoEtcdctl } from "../kit/real-members.ts";

const whyNot = whyNoEtcdctl();
const suite = whyNot === undefined ? describe : describe.skip;

suite(`etcdctl 3.4${whyNot === undefined ? "" : `: skipped, ${whyNot}`}`, () => {
  let cluster: RealCluster;
  const ctl = async (args: readonly string[], input?: string): Promise<string> => {
    const result = await etcdctl(cluster.endpoints, args, input === undefined ? {} : { input });
    expect([args.join(" "), result.exitCode, result.stderr]).toEqual([args.join(" "), 0, expect.any(String)]);
    return result.stdout;
  };
  const refused = async (args: readonly string[], input?: string): Promise<{ text: string; exitCode: number }> => {
    const { stderr, exitCode } = await etcdctl(cluster.endpoints, args, input === undefined ? {} : { input });
    const lines = stderr.trim().split("\n");
    return { text: lines.at(-1) ?? "", exitCode };
  };
  const json = async (args: readonly string[]): Promise<{ [field: string]: unknown }> =>
    JSON.parse(await ctl([...args, "-w", "json"]));
  const revisionNow = async (): Promise<number> =>
    ((await json(["get", "no-such-key"])) as { header: { revision: number } }).header.revision;

  beforeAll(async () => {
    cluster = await startCluster(3);
    await cluster.ready();
  });
  afterAll(() => cluster.close());

  test("put, get and del print OK, key and value, and the number deleted", async () => {
    expect(await ctl(["put", "plain", "one"])).toBe("OK\n");
    expect(await ctl(["get", "plain"])).toBe("plain\none\n");
    expect(await ctl(["put", "plain", "two", "--prev-kv"])).toBe("OK\nplain\none\n");
    expect(await ctl(["get", "plain", "--print-value-only"])).toBe("two\n");
    expect(await ctl(["del", "plain", "--prev-kv"])).toBe("1\nplain\ntwo\n");
    expect(await ctl(["del", "plain"])).toBe("0\n");
    expect(await ctl(["get", "plain"])).toBe("");
    expect(await ctl(["put", "from-stdin"], "typed")).toBe("OK\n");
    expect(await ctl(["get", "from-stdin"])).toBe("from-stdin\ntyped\n");
  });

  test("ranges: prefix, end, from-key, limit, order, keys only", async () => {
    for (const [key, value] of [
      ["r/b", "3"],
      ["r/a", "2"],
      ["r/c", "1"],
      ["s", "4"],
    ] as const) {
      await ctl(["put", key, value]);
    }
    expect(await ctl(["get", "--prefix", "r/"])).toBe("r/a\n2\nr/b\n3\nr/c\n1\n");
    expect(await ctl(["get", "r/a", "r/c"])).toBe("r/a\n2\nr/b\n3\n");
    expect(await ctl(["get", "--from-key", "r/c"])).toBe("r/c\n1\ns\n4\n");
    expect(await ctl(["get", "--prefix", "r/", "--limit", "2"])).toBe("r/a\n2\nr/b\n3\n");
    expect(await ctl(["get", "--prefix", "r/", "--order", "DESCEND", "--keys-only"])).toBe("r/c\n\nr/b\n\nr/a\n\n");
    expect(await ctl(["get", "--prefix", "r/", "--sort-by", "VALUE", "--order", "ASCEND", "--keys-only"])).toBe(
      "r/c\n\nr/a\n\nr/b\n\n",
    );
    expect(await ctl(["get", "--prefix", "r/", "--sort-by", "CREATE", "--order", "ASCEND", "--keys-only"])).toBe(
      "r/b\n\nr/a\n\nr/c\n\n",
    );
    expect(await ctl(["get", "--prefix", "r/", "--consistency", "s", "--print-value-only"])).toBe("2\n3\n1\n");
    expect(await ctl(["del", "--prefix", "r/"])).toBe("3\n");
  });

  test("an old revision shows the old value; a future one is refused", async () => {
    await ctl(["put", "old", "1"]);
    const revision = await revisionNow();
    await ctl(["put", "old", "2"]);
    expect(await ctl(["get", "old", "--rev", `${revision}`])).toBe("old\n1\n");
    expect(await refused(["get", "old", "--rev", "999999"])).toEqual({
      text: "Error: etcdserver: mvcc: required revision is a future revision",
      exitCode: 1,
    });
  });

  test("json carries revisions, counts and base64", async () => {
    await ctl(["put", "json", "v"]);
    const revision = await revisionNow();
    expect(await json(["get", "json"])).toEqual({
      header: {
        cluster_id: expect.any(Number),
        member_id: expect.any(Number),
        revision,
        raft_term: expect.any(Number),
      },
      kvs: [{ key: "anNvbg==", create_revision: revision, mod_revision: revision, version: 1, value: "dg==" }],
      count: 1,
    });
  });

  test("fields are printed with their names", async () => {
    await ctl(["put", "fields", "v"]);
    const printed = await ctl(["get", "fields", "-w", "fields"]);
    expect(printed).toMatch(
      /^"ClusterID" : \d+\n"MemberID" : \d+\n"Revision" : \d+\n"RaftTerm" : \d+\n"Key" : "fields"\n"CreateRevision" : \d+\n"ModRevision" : \d+\n"Version" : 1\n"Value" : "v"\n"Lease" : 0\n"More" : false\n"Count" : 1\n$/,
    );
  });

  test("a transaction takes the branch its compares choose", async () => {
    await ctl(["put", "t", "1"]);
    expect(await ctl(["txn"], 'value("t") = "1"\n\nput t 2\nget t\n\nget none\n\n')).toBe("SUCCESS\n\nOK\n\nt\n2\n");
    expect(await ctl(["txn"], 'value("t") = "1"\n\nput t 3\n\nget t\n\n')).toBe("FAILURE\n\nt\n2\n");
    expect(await ctl(["txn"], 'version("absent") = "0"\n\ndel t\n\n\n')).toBe("SUCCESS\n\n1\n");
    expect(await refused(["txn"], "\nput d 1\nput d 2\n\n\n")).toEqual({
      text: "Error: etcdserver: duplicate key given in txn request",
      exitCode: 1,
    });
  });

  test("inner headers of a transaction show only the revision", async () => {
    const printed = await etcdctl(cluster.endpoints, ["txn", "-w", "json"], { input: "\nput inner 1\n\n\n" });
    const revision = await revisionNow();
    expect(JSON.parse(printed.stdout)).toMatchObject({
      header: { revision },
      succeeded: true,
      responses: [{ Response: { ResponsePut: { header: { revision } } } }],
    });
  });

  test("watch prints each change of a key, of a prefix and of the past", async () => {
    await ctl(["put", "w/0", "before"]);
    const revision = await revisionNow();
    const live = spawnEtcdctl(cluster.endpoints, ["watch", "--prefix", "w/"]);
    const past = spawnEtcdctl(cluster.endpoints, ["watch", "w/0", "--rev", `${revision}`]);
    const printed = { live: "", past: "" };
    live.stdout?.on("data", (piece: Buffer) => {
      printed.live += piece;
    });
    past.stdout?.on("data", (piece: Buffer) => {
      printed.past += piece;
    });
    try {
      await until(
        () => printed.past === "PUT\nw/0\nbefore\n",
        10_000,
        () => JSON.stringify(printed),
      );
      // A watch without start begins somewhere after the client was started: put until it is seen.
      for (let attempt = 0; printed.live === "" && attempt < 100; attempt++) {
        await ctl(["put", "w/start", "x"]);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      printed.live = "";
      await ctl(["put", "w/1", "a"]);
      await ctl(["del", "w/1"]);
      await ctl(["put", "w/0", "after"]);
      await until(
        () => printed.live === "PUT\nw/1\na\nDELETE\nw/1\n\nPUT\nw/0\nafter\n",
        10_000,
        () => JSON.stringify(printed),
      );
      await until(
        () => printed.past === "PUT\nw/0\nbefore\nPUT\nw/0\nafter\n",
        10_000,
        () => JSON.stringify(printed),
      );
    } finally {
      live.kill("SIGKILL");
      past.kill("SIGKILL");
    }
  });

  test("leases: grant, attach, time to live, list, keep alive, revoke", async () => {
    const granted = await ctl(["lease", "grant", "100"]);
    const id = /^lease ([0-9a-f]{16}) granted with TTL\(100s\)\n$/.exec(granted)?.[1] ?? "";
    expect(id).toHaveLength(16);
    await ctl(["put", "leased", "v", "--lease", id]);
    expect(await ctl(["lease", "timetolive", id, "--keys"])).toMatch(
      new RegExp(
        `^lease ${id} granted with TTL\\(100s\\), remaining\\((99|100|98)s\\), attached keys\\(\\[leased\\]\\)\n$`,
      ),
    );
    expect(await ctl(["lease", "list"])).toBe(`found 1 leases\n${id}\n`);
    expect(await ctl(["lease", "keep-alive", "--once", id])).toBe(`lease ${id} keepalived with TTL(100)\n`);
    expect(await ctl(["lease", "revoke", id])).toBe(`lease ${id} revoked\n`);
    expect(await ctl(["get", "leased"])).toBe("");
    expect(await ctl(["lease", "timetolive", id])).toBe(`lease ${id} already expired\n`);
    expect(await refused(["lease", "revoke", id])).toEqual({
      text: "Error: failed to revoke lease (etcdserver: requested lease not found)",
      exitCode: 1,
    });
    expect(await refused(["put", "leased", "v", "--lease", id])).toEqual({
      text: "Error: etcdserver: requested lease not found",
      exitCode: 1,
    });
  });

  test("a lease that is not kept alive ends, and its keys with it", async () => {
    const granted = await ctl(["lease", "grant", "1"]);
    const id = /^lease ([0-9a-f]{16}) granted with TTL\(2s\)\n$/.exec(granted)?.[1] ?? "";
    expect(id).toHaveLength(16);
    await ctl(["put", "short", "v", "--lease", id]);
    for (let attempt = 0; attempt < 100 && (await ctl(["get", "short"])) !== ""; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await ctl(["get", "short"])).toBe("");
  });

  test("compaction forgets the past, once", async () => {
    await ctl(["put", "c", "1"]);
    const revision = await revisionNow();
    await ctl(["put", "c", "2"]);
    expect(await ctl(["compaction", `${revision}`])).toBe(`compacted revision ${revision}\n`);
    const compacted = { text: "Error: etcdserver: mvcc: required revision has been compacted", exitCode: 1 };
    expect(await refused(["compaction", `${revision}`])).toEqual(compacted);
    expect(await refused(["get", "c", "--rev", `${revision - 1}`])).toEqual(compacted);
    expect(await ctl(["get", "c", "--rev", `${revision}`])).toBe("c\n1\n");
    expect(await refused(["watch", "c", "--rev", `${revision - 1}`])).toEqual({
      text: "Error: watch is canceled by the server",
      exitCode: 5,
    });
  });

  test("member list shows every member started, in id order", async () => {
    const lines = (await ctl(["member", "list"])).trim().split("\n");
    expect(lines).toHaveLength(3);
    for (const [position, port] of cluster.clientPorts.entries()) {
      const line = lines.find((each) => each.includes(`, m${position + 1}, `));
      expect(line).toMatch(
        new RegExp(
          `^[0-9a-f]{1,16}, started, m${position + 1}, http://127.0.0.1:${cluster.peerPorts[position]}, http://127.0.0.1:${port}, false$`,
        ),
      );
    }
    const listed = (await json(["member", "list"])) as { members: { ID: number }[]; header: { revision?: number } };
    expect(listed.header.revision).toBeUndefined();
    expect(lines.map((line) => BigInt(`0x${line.split(",")[0]}`))).toEqual(
      lines.map((line) => BigInt(`0x${line.split(",")[0]}`)).sort((a, b) => (a < b ? -1 : 1)),
    );
  });

  test("endpoint health and status know every member, one of them the leader", async () => {
    const health = await etcdctl(cluster.endpoints, ["endpoint", "health"]);
    expect(health.exitCode).toBe(0);
    expect(health.stderr.match(/is healthy: successfully committed proposal: took = /g)).toHaveLength(3);
    const status = (await ctl(["endpoint", "status"])).replace(/\n$/, "").split("\n");
    expect(status).toHaveLength(3);
    for (const line of status) {
      expect(line).toMatch(
        /^127\.0\.0\.1:\d+, [0-9a-f]{1,16}, 3\.6\.14, [\d.]+ [kM]?B, (true|false), false, \d+, \d+, \d+, $/,
      );
    }
    expect(status.filter((line) => line.split(", ")[4] === "true")).toHaveLength(1);
    const table = (await ctl(["endpoint", "status", "-w", "table"])).split("\n");
    expect(table[1]).toMatch(/\| +ENDPOINT +\| +ID +\| +VERSION +\| +DB SIZE +\| +IS LEADER +\|/);
    const listed = JSON.parse(await ctl(["endpoint", "status", "-w", "json"])) as {
      Status: { leader: number; raftTerm: number; header: { revision: number } };
    }[];
    expect(new Set(listed.map((each) => each.Status.leader)).size).toBe(1);
    expect(new Set(listed.map((each) => each.Status.raftTerm)).size).toBe(1);
  });

  test("every member has the same hash at the same revision", async () => {
    const revision = await revisionNow();
    const listed = JSON.parse(await ctl(["endpoint", "hashkv", "--rev", `${revision}`, "-w", "json"])) as {
      HashKV: { hash: number; compact_revision: number };
    }[];
    expect(listed).toHaveLength(3);
    expect(new Set(listed.map((each) => `${each.HashKV.hash}/${each.HashKV.compact_revision}`)).size).toBe(1);
  });

  test("a lock is held by one client at a time", async () => {
    const first = spawnEtcdctl(cluster.endpoints, ["lock", "door"]);
    const second = spawnEtcdctl(cluster.endpoints, ["lock", "door"]);
    const printed = { first: "", second: "" };
    first.stdout?.on("data", (piece: Buffer) => {
      printed.first += piece;
    });
    second.stdout?.on("data", (piece: Buffer) => {
      printed.second += piece;
    });
    try {
      await until(
        () => printed.first + printed.second !== "",
        10_000,
        () => "nobody got the lock",
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect([printed.first, printed.second].filter((each) => each !== "")).toHaveLength(1);
      const [holder, other] = printed.first === "" ? (["second", "first"] as const) : (["first", "second"] as const);
      expect(printed[holder]).toMatch(/^door\/[0-9a-f]+\n/);
      (holder === "first" ? first : second).kill("SIGINT");
      await until(
        () => printed[other] !== "",
        10_000,
        () => "the lock was not handed on",
      );
    } finally {
      first.kill("SIGKILL");
      second.kill("SIGKILL");
    }
  });
});
