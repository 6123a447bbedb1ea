/*
 * The members of a new cluster from SRV records, and from a register in another etcd.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { newTransport } from "../../chaos/ctl/etcdctl/global-flags.ts";
import { Session } from "../../chaos/ctl/etcdctl/session.ts";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { StartProblem } from "../../chaos/member/data-directory.ts";
import { readFlags } from "../../chaos/member/flags.ts";
import { silentLog } from "../../chaos/member/log.ts";
import { membersFromRegister, type Register } from "../../chaos/member/register-discovery.ts";
import { type Dns, membersFromSrv } from "../../chaos/member/srv-discovery.ts";
import { memberIdOf } from "../../core/index.ts";
import { Cluster, KV } from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { RealMember, startCluster } from "../kit/real-members.ts";

/** Records by service name, addresses by host. */
function dnsOf(
  records: { readonly [service: string]: readonly string[] },
  hosts: { readonly [host: string]: readonly string[] },
): Dns {
  return {
    async resolveSrv(name) {
      const found = records[name];
      if (found === undefined) throw new Error(`querySrv ENOTFOUND ${name}`);
      return found.map((record) => ({ name: record.split(":")[0] ?? "", port: Number(record.split(":")[1]) }));
    },
    async addressesOf(host) {
      const found = hosts[host];
      if (found === undefined) throw new Error(`getaddrinfo ENOTFOUND ${host}`);
      return found;
    },
  };
}

const hosts = { "a.example": ["10.0.0.1"], "b.example": ["10.0.0.2"], "c.example": ["10.0.0.3"] };
const own = { name: "m2", advertisePeerUrls: ["http://b.example:2380"], log: silentLog };
const domain = { domain: "example", suffix: "" };
const problem = async (made: Promise<unknown>): Promise<string> =>
  made.then(
    (found) => `no problem: ${JSON.stringify(found)}`,
    (error: unknown) => (error instanceof StartProblem ? error.error : String(error)),
  );

describe("members from SRV records", () => {
  test("this one has its name, others have numbers, in one order whatever DNS says first", async () => {
    const records = ["c.example.:2380", "b.example.:2380", "a.example.:2380"];
    const dns = dnsOf({ "_etcd-server._tcp.example": records }, hosts);
    expect(await membersFromSrv(domain, own, dns)).toEqual([
      { name: "0", peerUrls: ["http://a.example:2380"] },
      { name: "m2", peerUrls: ["http://b.example:2380"] },
      { name: "1", peerUrls: ["http://c.example:2380"] },
    ]);
  });

  test("this one is known by its address, not by its host's name", async () => {
    const dns = dnsOf({ "_etcd-server._tcp.example": ["a.example:1", "b.example:2380"] }, hosts);
    const found = await membersFromSrv(domain, { ...own, advertisePeerUrls: ["http://10.0.0.2:2380"] }, dns);
    expect(found.map(({ name }) => name)).toEqual(["0", "m2"]);
  });

  test("records of the service for TLS mean https, and a service name may have a suffix", async () => {
    const dns = dnsOf({ "_etcd-server-ssl-x._tcp.example": ["a.example:1", "b.example:2380"] }, hosts);
    const secure = { ...own, advertisePeerUrls: ["https://b.example:2380"] };
    const found = await membersFromSrv({ domain: "example", suffix: "x" }, secure, dns);
    expect(found.map(({ peerUrls }) => peerUrls[0])).toEqual(["https://a.example:1", "https://b.example:2380"]);
    expect(await problem(membersFromSrv({ domain: "example", suffix: "x" }, own, dns))).toContain(
      "bootstrap at https://b.example:2380 from DNS for etcd-server-ssl-x has scheme mismatch with expected peer http://b.example:2380",
    );
  });

  test("no records, or none of this member, end the start by name", async () => {
    expect(await problem(membersFromSrv(domain, own, dnsOf({}, hosts)))).toBe(
      "error querying DNS SRV records for _etcd-server-ssl querySrv ENOTFOUND _etcd-server-ssl._tcp.example; error querying DNS SRV records for _etcd-server querySrv ENOTFOUND _etcd-server._tcp.example",
    );
    const others = dnsOf({ "_etcd-server._tcp.example": ["a.example:2380"] }, hosts);
    expect(await problem(membersFromSrv(domain, own, others))).toContain(
      'cannot find local etcd member "m2" in SRV records',
    );
  });
});

test("one source of members is enough", () => {
  expect(readFlags(["--discovery-srv=example", "--initial-cluster=default=http://localhost:2380"], {}, [])).toEqual({
    kind: "refuse",
    error:
      'multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery", "discovery-endpoints" or "discovery-srv"',
  });
  const read = readFlags(["--discovery-srv=example", "--discovery-srv-name=x"], {}, []);
  expect(read.kind === "start" && read.flags.discoverySrv).toEqual({ domain: "example", suffix: "x" });
});

describe("members from a register", () => {
  /** Entries stay in the order in which they came. */
  class MemoryRegister implements Register {
    readonly entries = new Map<string, string>();
    onPut: () => void = () => {};
    pauses = 0;
    async get(key: string) {
      return this.entries.get(key);
    }
    async list(prefix: string) {
      return [...this.entries].filter(([key]) => key.startsWith(prefix)).map(([key, value]) => ({ key, value }));
    }
    async put(key: string, value: string) {
      this.onPut();
      this.entries.set(key, value);
    }
    async pause() {
      if (++this.pauses > 100) throw new Error("waits for ever");
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const size = (number: string): MemoryRegister => {
    const register = new MemoryRegister();
    register.entries.set("/_etcd/registry/t/_config/size", number);
    return register;
  };
  const enter = (register: Register, number: number, name = `m${number}`) =>
    membersFromRegister(
      "t",
      {
        memberId: memberIdOf(BigInt(number)),
        name,
        advertisePeerUrls: [`http://10.0.0.${number}:2380`],
        log: silentLog,
      },
      register,
    );

  test("are the first so many, in the order in which they came, the same for each", async () => {
    const register = size("3");
    const lists = await Promise.all([enter(register, 2), enter(register, 1), enter(register, 3)]);
    expect(lists[0]).toEqual([2, 1, 3].map((at) => ({ name: `m${at}`, peerUrls: [`http://10.0.0.${at}:2380`] })));
    expect(lists[1]).toEqual(lists[0]);
    expect(lists[2]).toEqual(lists[0]);
  });

  test("turn away who comes when all are there, also when somebody was quicker by a moment", async () => {
    const register = size("1");
    await enter(register, 1);
    expect(await problem(enter(register, 2))).toBe("discovery: cluster is full (it has 1 members)");
    const contested = size("1");
    contested.onPut = () => contested.entries.set("/_etcd/registry/t/members/9", "m9=http://10.0.0.9:2380");
    expect(await problem(enter(contested, 2))).toBe("discovery: cluster is full (it has 1 members)");
  });

  test("let in again who was entered before", async () => {
    const register = size("1");
    const before = await enter(register, 1);
    expect(await enter(register, 1)).toEqual(before);
  });

  test("are refused where the register is not set up, or two have one name", async () => {
    expect(await problem(enter(new MemoryRegister(), 1))).toContain("discovery: size key not found; put the number");
    expect(await problem(enter(size("many"), 1))).toContain('discovery: size value is invalid: "many"');
    const register = size("2");
    const both = await Promise.all([problem(enter(register, 1, "m")), problem(enter(register, 2, "m"))]);
    expect(both).toEqual(["discovery: found duplicate name", "discovery: found duplicate name"]);
  });

  test("make a cluster of processes that were told of the register alone", async () => {
    const directory = mkdtempSync(join(tmpdir(), "faultline-register-"));
    const registrar = await startCluster(1);
    const ports = await freePorts(4);
    const members = [0, 1].map((at) => {
      const [client, peer] = [`http://127.0.0.1:${ports[2 * at]}`, `http://127.0.0.1:${ports[2 * at + 1]}`];
      return new RealMember({
        name: `m${at}`,
        logFile: join(directory, `m${at}.log`),
        args: [
          ...["--name", `m${at}`, "--data-dir", join(directory, `m${at}`)],
          ...["--listen-client-urls", client, "--advertise-client-urls", client],
          ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
          ...["--discovery-endpoints", registrar.endpoints, "--discovery-token", "blue"],
        ],
      });
    });
    const session = (endpoint: string): Session =>
      new Session({ endpoints: [endpoint], writeOut: "simple", commandTimeout: 20_000 }, newTransport({}));
    const register = session(registrar.endpoints);
    const cluster = session(`127.0.0.1:${ports[0]}`);
    onTestFinished(async () => {
      register.close();
      cluster.close();
      await Promise.all(members.map((member) => member.close()));
      await registrar.close();
      rmSync(directory, { recursive: true, force: true });
    });
    await registrar.ready();
    await register.call(KV.method.put, {
      key: Buffer.from("/_etcd/registry/blue/_config/size"),
      value: Buffer.from("2"),
    });
    for (const member of members) member.start();
    await Promise.all(members.map((member) => member.logged("ready to serve client requests")));
    const { message } = await cluster.call(Cluster.method.memberList, { linearizable: true });
    expect(message.members.map(({ name }) => name).sort()).toEqual(["m0", "m1"]);
    // The register is looked at by a first start alone.
    await registrar.close();
    await members[1]?.end("SIGTERM");
    members[1]?.start();
    await members[1]?.logged("ready to serve client requests", 2);
  });
});

test("a register needs its token and its end points, and a new cluster", () => {
  const refusal = (...argv: string[]): string => {
    const read = readFlags(argv, {}, []);
    return read.kind === "refuse" ? read.error : read.kind;
  };
  expect(refusal("--discovery-token=t")).toBe("both --discovery-token and --discovery-endpoints must be set");
  const both = ["--discovery-token=t", "--discovery-endpoints=127.0.0.1:1"];
  expect(refusal(...both, "--initial-cluster-state=existing")).toBe(
    "discovery URL should not be set when joining existing initial cluster",
  );
  expect(refusal(...both, "--discovery-srv=example")).toContain("multiple discovery or bootstrap flags are set");
  expect(refusal(...both, "--discovery-user=ann")).toContain("password is missing");
  expect(refusal("--discovery=https://discovery.etcd.io/x")).toContain("give --discovery-token");
  expect(refusal(...both)).toBe("start");
});
