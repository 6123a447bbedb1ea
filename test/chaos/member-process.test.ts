/*
 * A member as a process: starts that must not happen, with etcd's words and exit codes; ends, clean and sudden; and
 * what is there after each.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { type Answer, type Header, noLease, type Request } from "../../core/index.ts";
import { unaryCalls } from "../../core/wire/calls.ts";
import { type RealCluster, RealMember, startCluster, until } from "../kit/real-members.ts";

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

/** A client of one member that never retries. */
class PlainClient {
  readonly #client: Client;
  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 100,
    });
  }
  call(request: Request, metadata: { [name: string]: string } = {}): Promise<{ header: Header; answer: Answer }> {
    const call = unaryCalls[request.type];
    const headers = new Metadata({ waitForReady: metadata["wait"] !== "no" });
    for (const [name, value] of Object.entries(metadata)) if (name !== "wait") headers.set(name, value);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        call.path,
        (sent: Request) => Buffer.from(call.encodeRequest(sent)),
        (bytes: Buffer) => call.decodeAnswer(new Uint8Array(bytes)),
        request,
        headers,
        { deadline: Date.now() + 15_000 },
        (error: ServiceError | null, answer) => {
          if (error !== null) reject(error);
          else if (answer === undefined) reject(new Error("no answer"));
          else resolve(answer);
        },
      );
    });
  }
  async put(key: string, value: string): Promise<void> {
    await this.call({
      type: "put",
      key: text(key),
      value: text(value),
      lease: noLease,
      prevKv: false,
      ignoreValue: false,
      ignoreLease: false,
    });
  }
  /** Puts until it is acknowledged: a write on its way to a leader that was killed is lost without a trace. */
  async putSurely(key: string, value: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.put(key, value);
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }
  async get(key: string, serializable = false): Promise<string | undefined> {
    const { answer } = await this.call(rangeOf(key, serializable));
    const [found] = answer.type === "range" ? answer.keyValues : [];
    return found === undefined ? undefined : Buffer.from(found.value).toString();
  }
  close(): void {
    this.#client.close();
  }
}

const rangeOf = (key: string, serializable: boolean): Request => ({
  type: "range",
  key: text(key),
  rangeEnd: undefined,
  limit: 0,
  revision: 0,
  sortOrder: "none",
  sortTarget: "key",
  serializable,
  keysOnly: false,
  countOnly: false,
  minModRevision: 0,
  maxModRevision: 0,
  minCreateRevision: 0,
  maxCreateRevision: 0,
});

describe("starts that must not happen", () => {
  let directory = "";
  let ports: number[] = [];
  const started: RealMember[] = [];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "faultline-starts-"));
    ports = await freePorts(4);
  });
  afterEach(async () => {
    for (const member of started.splice(0)) await member.close();
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function member(
    name: string,
    more: readonly string[] = [],
    environment: { [name: string]: string } = {},
  ): RealMember {
    const [client, peer] = ports;
    const made = new RealMember({
      name,
      logFile: join(directory, `${name}.log`),
      environment,
      args: [
        ...["--name", name, "--data-dir", join(directory, name)],
        ...["--listen-client-urls", `http://127.0.0.1:${client}`],
        ...["--advertise-client-urls", `http://127.0.0.1:${client}`],
        ...["--listen-peer-urls", `http://127.0.0.1:${peer}`],
        ...["--initial-advertise-peer-urls", `http://127.0.0.1:${peer}`],
        ...more,
      ],
    });
    started.push(made);
    return made;
  }
  async function refused(made: RealMember): Promise<{ exitCode: number | null; log: string }> {
    made.start();
    const { exitCode } = await made.ended();
    return { exitCode, log: made.log };
  }

  test("an unknown flag ends with 2", async () => {
    const { exitCode, log } = await refused(member("unknown", ["--no-such-flag"]));
    expect(exitCode).toBe(2);
    expect(log).toContain("flag provided but not defined: -no-such-flag");
  });

  test("broken timing ends with 1 and the line of the flags", async () => {
    const { exitCode, log } = await refused(member("timing", ["--election-timeout", "100"]));
    expect(exitCode).toBe(1);
    expect(JSON.parse(log.trim())).toMatchObject({
      level: "error",
      msg: "failed to verify flags",
      error: "--election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]",
    });
  });

  test("a flag beside its variable ends with 1", async () => {
    const { exitCode, log } = await refused(member("shadow", [], { ETCD_NAME: "other" }));
    expect(exitCode).toBe(1);
    expect(log).toContain("conflicting environment variable is shadowed by corresponding command-line flag");
  });

  test("an own name that is not in the list ends with 1 and makes no member", async () => {
    const { exitCode, log } = await refused(member("alone", ["--initial-cluster", "other=http://127.0.0.1:1"]));
    expect(exitCode).toBe(1);
    expect(log).toContain(`couldn't find local name \\"alone\\" in the initial cluster configuration`);
    expect(existsSync(join(directory, "alone", "member", "identity.json"))).toBe(false);
    expect(existsSync(join(directory, "alone", "member", "wal"))).toBe(false);
  });

  test("advertised URLs that differ from the list end with 1 and hints", async () => {
    const { exitCode, log } = await refused(member("differs", ["--initial-cluster", "differs=http://127.0.0.1:1"]));
    expect(exitCode).toBe(1);
    expect(log).toContain("--initial-cluster has http://127.0.0.1:1 but missing from --initial-advertise-peer-urls=");
    expect(log).toContain("forgot to set --initial-cluster?");
  });

  test("a taken port ends with 1, before the data directory is touched", async () => {
    const [client] = ports;
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(client, "127.0.0.1", resolve));
    try {
      const { exitCode, log } = await refused(member("taken"));
      expect(exitCode).toBe(1);
      expect(log).toContain(`listen tcp 127.0.0.1:${client}: bind: address already in use`);
      expect(existsSync(join(directory, "taken"))).toBe(false);
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
  });

  test("a data directory that cannot be made ends with 1", async () => {
    writeFileSync(join(directory, "file"), "");
    const { exitCode, log } = await refused(member("nowhere", ["--data-dir", join(directory, "file", "below")]));
    expect(exitCode).toBe(1);
    expect(log).toContain("cannot access data directory: ");
  });

  test("an existing cluster that nobody answers for ends with 1", async () => {
    const [, , , other] = ports;
    const list = `joins=http://127.0.0.1:${ports[1]},gone=http://127.0.0.1:${other}`;
    const { exitCode, log } = await refused(
      member("joins", ["--initial-cluster", list, "--initial-cluster-state", "existing"]),
    );
    expect(exitCode).toBe(1);
    expect(log).toContain(
      "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs",
    );
  });

  describe("over a directory that holds a member", () => {
    const contents = (path: string): { [name: string]: string } => {
      const found: { [name: string]: string } = {};
      const walk = (at: string): void => {
        for (const name of readdirSync(at)) {
          const entry = join(at, name);
          if (statSync(entry).isDirectory()) walk(entry);
          else if (!name.endsWith(".mdb") || name === "data.mdb") found[entry] = readFileSync(entry).toString("base64");
        }
      };
      walk(path);
      return found;
    };

    beforeAll(async () => {
      const owner = member("owner");
      owner.start();
      await owner.logged("serving client traffic insecurely");
      await owner.end("SIGTERM");
    });

    test("the directory is its owner's alone", () => {
      expect(statSync(join(directory, "owner")).mode & 0o777).toBe(0o700);
      expect(statSync(join(directory, "owner", "member")).mode & 0o777).toBe(0o700);
    });

    test("another token is refused and changes nothing", async () => {
      const before = contents(join(directory, "owner"));
      const { exitCode, log } = await refused(
        member("token", ["--data-dir", join(directory, "owner"), "--initial-cluster-token", "other"]),
      );
      expect(exitCode).toBe(1);
      expect(log).toContain("the data directory belongs to member");
      expect(contents(join(directory, "owner"))).toEqual(before);
    });

    test("another member is refused and changes nothing", async () => {
      const before = contents(join(directory, "owner"));
      const list = `owner=http://127.0.0.1:${ports[3]},thief=http://127.0.0.1:${ports[1]}`;
      const { exitCode, log } = await refused(
        member("thief", ["--data-dir", join(directory, "owner"), "--initial-cluster", list]),
      );
      expect(exitCode).toBe(1);
      expect(log).toContain('the data directory belongs to member \\"owner\\"');
      expect(contents(join(directory, "owner"))).toEqual(before);
    });

    test("a log of another member is refused by its own identity", async () => {
      const copy = join(directory, "swapped");
      cpSync(join(directory, "owner"), copy, { recursive: true });
      const identity = JSON.parse(readFileSync(join(copy, "member", "identity.json"), "utf8"));
      writeFileSync(
        join(copy, "member", "identity.json"),
        JSON.stringify({
          ...identity,
          memberId: "abc",
          members: [{ memberId: "abc", peerUrls: ["http://127.0.0.1:1"] }],
        }),
      );
      const { exitCode, log } = await refused(member("owner", ["--data-dir", copy]));
      expect(exitCode).toBe(1);
      expect(log).toContain("the write-ahead log belongs to member");
    });

    test("a lost backend is refused, not made anew", async () => {
      const copy = join(directory, "no-backend");
      cpSync(join(directory, "owner"), copy, { recursive: true });
      rmSync(join(copy, "member", "snap"), { recursive: true });
      const { exitCode, log } = await refused(member("owner", ["--data-dir", copy]));
      expect(exitCode).toBe(1);
      expect(log).toMatch(/database file \(.*\) of the backend is missing/);
      expect(existsSync(join(copy, "member", "snap"))).toBe(false);
    });

    test("a lost log is refused, not begun anew", async () => {
      const copy = join(directory, "no-log");
      cpSync(join(directory, "owner"), copy, { recursive: true });
      rmSync(join(copy, "member", "wal"), { recursive: true });
      const { exitCode, log } = await refused(member("owner", ["--data-dir", copy]));
      expect(exitCode).toBe(1);
      expect(log).toContain("the write-ahead log is missing");
    });

    test("a log without an identity is refused", async () => {
      const copy = join(directory, "no-identity");
      cpSync(join(directory, "owner"), copy, { recursive: true });
      rmSync(join(copy, "member", "identity.json"));
      const { exitCode, log } = await refused(member("owner", ["--data-dir", copy]));
      expect(exitCode).toBe(1);
      expect(log).toContain("holds a log but identity.json beside it is missing");
    });

    test("flags of a first start do not matter any more", async () => {
      const restarted = member("owner", ["--initial-cluster", "owner=http://127.0.0.1:9"]);
      restarted.start();
      await restarted.logged("serving client traffic insecurely");
    });

    test("a second process waits for the first to end", async () => {
      const first = member("owner");
      first.start();
      await first.logged("serving client traffic insecurely");
      const [, , client, peer] = ports;
      const second = new RealMember({
        name: "second",
        logFile: join(directory, "second.log"),
        args: [
          ...["--name", "owner", "--data-dir", join(directory, "owner")],
          ...["--listen-client-urls", `http://127.0.0.1:${client}`],
          ...["--advertise-client-urls", `http://127.0.0.1:${client}`],
          ...["--listen-peer-urls", `http://127.0.0.1:${peer}`],
        ],
      });
      started.push(second);
      second.start();
      await second.logged("db file is flocked by another process, or taking too long");
      expect(second.log).not.toContain("starting an etcd server");
      await first.end("SIGKILL");
      await second.logged("serving client traffic insecurely");
    });
  });
});

describe("ends", () => {
  let cluster: RealCluster;
  const clients: PlainClient[] = [];
  const clientOf = (position: number): PlainClient => {
    const client = new PlainClient(cluster.clientPorts[position] ?? 0);
    clients.push(client);
    return client;
  };
  const memberAt = (position: number): RealMember => {
    const member = cluster.members[position];
    if (member === undefined) throw new Error("no such member");
    return member;
  };
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await cluster.close();
  });

  test("SIGTERM ends by that signal, keeps what was written, and answers nothing new", async () => {
    cluster = await startCluster(1);
    await cluster.ready();
    const client = clientOf(0);
    await client.put("k", "v");
    expect(await memberAt(0).end("SIGTERM")).toEqual({ exitCode: null, signal: "SIGTERM" });
    expect(memberAt(0).log).toContain("closed etcd server");
    memberAt(0).start();
    await cluster.ready(2);
    expect(await client.get("k")).toBe("v");
  });

  test("after SIGKILL in the middle of writes everything acknowledged is there", async () => {
    cluster = await startCluster(1);
    await cluster.ready();
    for (let life = 1; life <= 3; life++) {
      const client = clientOf(0);
      const acknowledged: string[] = [];
      let running = true;
      const writers = Array.from({ length: 16 }, async (_none, writer) => {
        for (let number = 0; running; number++) {
          const key = `${life}/${writer}/${number}`;
          try {
            await client.put(key, key);
            acknowledged.push(key);
          } catch {
            return;
          }
        }
      });
      await until(
        () => acknowledged.length > 300,
        20_000,
        () => "writes",
      );
      memberAt(0).signal("SIGKILL");
      await memberAt(0).ended();
      running = false;
      client.close();
      await Promise.all(writers);
      memberAt(0).start();
      await cluster.ready(life + 1);
      const reader = clientOf(0);
      for (const key of acknowledged) expect(await reader.get(key, true)).toBe(key);
    }
  });

  test("three members outlive the loss of one, and it catches up when it is back", async () => {
    cluster = await startCluster(3);
    await cluster.ready();
    await clientOf(0).put("before", "1");
    await memberAt(2).end("SIGKILL");
    await clientOf(0).putSurely("while", "2");
    memberAt(2).start();
    await memberAt(2).logged("serving client traffic insecurely", 2);
    expect(await clientOf(2).get("while")).toBe("2");
    expect(await clientOf(2).get("before")).toBe("1");
  });

  test("a member that was away for more than the log keeps is brought back by a snapshot", async () => {
    cluster = await startCluster(3, ["--snapshot-count", "100", "--snapshot-catchup-entries", "10"]);
    await cluster.ready();
    await memberAt(2).end("SIGKILL");
    const client = clientOf(0);
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 50 }, (_none, number) => client.putSurely(`s/${round}/${number}`, `${round}`)),
      );
    }
    memberAt(2).start();
    await memberAt(2).logged("serving client traffic insecurely", 2);
    await memberAt(2).logged("applied snapshot");
    const back = clientOf(2);
    expect(await back.get("s/9/49")).toBe("9");
    const hashes = await Promise.all(
      [0, 2].map(async (position) => {
        const { answer } = await clientOf(position).call({ type: "hashKv", revision: 0 });
        return answer.type === "hashKv" ? answer.hash : undefined;
      }),
    );
    expect(hashes[0]).toBe(hashes[1]);
    // And again from its own disk.
    await memberAt(2).end("SIGKILL");
    memberAt(2).start();
    await memberAt(2).logged("serving client traffic insecurely", 3);
    expect(await clientOf(2).get("s/9/49")).toBe("9");
  });

  test("a member whose directory was lost is not let in under its old id", async () => {
    cluster = await startCluster(3);
    await cluster.ready();
    await clientOf(0).put("k", "v");
    await memberAt(2).end("SIGKILL");
    rmSync(join(cluster.directory, "m3"), { recursive: true });
    memberAt(2).start();
    const { exitCode } = await memberAt(2).ended();
    expect(exitCode).toBe(1);
    expect(memberAt(2).log).toMatch(/"error":"member [0-9a-f]+ has already been bootstrapped"/);
  });

  test("without a quorum: no client is served before, and hasleader fails at once after", async () => {
    cluster = await startCluster(3);
    await cluster.ready();
    const client = clientOf(0);
    await client.put("k", "v");
    await Promise.all([memberAt(1).end("SIGKILL"), memberAt(2).end("SIGKILL")]);
    // A serializable read needs nobody else.
    expect(await client.get("k", true)).toBe("v");
    await until(
      () => memberAt(0).log.includes("lost leader"),
      20_000,
      () => memberAt(0).log,
    );
    await expect(client.call(rangeOf("k", false), { hasleader: "true" })).rejects.toMatchObject({
      code: 14,
      details: "etcdserver: no leader",
    });
    await memberAt(0).end("SIGKILL");
    memberAt(0).start();
    await memberAt(0).logged("starting an etcd server", 2);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(memberAt(0).log.split("ready to serve client requests")).toHaveLength(2);
    await expect(clientOf(0).call(rangeOf("k", true), { wait: "no" })).rejects.toMatchObject({ code: 14 });
  });

  test("HTTP: health, version, metrics on the client port; members on the peer port", async () => {
    cluster = await startCluster(1);
    await cluster.ready();
    const base = `http://127.0.0.1:${cluster.clientPorts[0]}`;
    const get = async (path: string): Promise<[number, string]> => {
      const response = await fetch(`${base}${path}`);
      return [response.status, await response.text()];
    };
    expect(await get("/health")).toEqual([200, '{"health":"true","reason":""}']);
    expect(await get("/livez")).toEqual([200, "ok\n"]);
    expect(await get("/readyz?verbose")).toEqual([
      200,
      "[+]serializable_read ok\n[+]data_corruption ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n",
    ]);
    await expect
      .poll(() => get("/version"), { timeout: 5_000, interval: 50 })
      .toEqual([200, '{"etcdserver":"3.6.14","etcdcluster":"3.6.0","storage":"3.6.0"}']);
    expect(await get("/nothing")).toEqual([404, "404 page not found\n"]);
    const [, metrics] = await get("/metrics");
    expect(metrics).toContain("etcd_server_has_leader 1");
    expect(metrics).toContain("etcd_server_is_leader 1");
    expect(metrics).toMatch(/etcd_disk_wal_fsync_duration_seconds_count [1-9]/);
    expect(metrics).toContain("process_resident_memory_bytes");
    const members = await fetch(`http://127.0.0.1:${cluster.peerPorts[0]}/members`);
    expect(await members.text()).toMatch(/^\[\{"id":\d+,"peerURLs":\["http:\/\/127/);
  });
});
