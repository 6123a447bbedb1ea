/*
 * The members of a new cluster from SRV records.
 */
import { describe, expect, test } from "vitest";
import { StartProblem } from "../../chaos/member/data-directory.ts";
import { readFlags } from "../../chaos/member/flags.ts";
import { silentLog } from "../../chaos/member/log.ts";
import { type Dns, membersFromSrv } from "../../chaos/member/srv-discovery.ts";

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
