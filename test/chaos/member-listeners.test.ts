/*
 * Ports beside the client port, what is served on each, and flags that change what HTTP shows; a member started from a
 * configuration file.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { Authority, type Pair } from "../kit/certificates.ts";
import { RealMember } from "../kit/real-members.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "faultline-listeners-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const at = (port: number): string => `http://127.0.0.1:${port}`;

/** One member that is on its own, from flags or from a file. */
function memberWith(name: string, args: readonly string[]): RealMember {
  return new RealMember({ name, logFile: join(directory, `${name}.log`), args });
}

/** Status of a GET; "none" where no HTTP is spoken. */
async function statusOf(url: string): Promise<number | "none"> {
  return fetch(url).then(
    ({ status }) => status,
    () => "none" as const,
  );
}

async function unary(port: number): Promise<string> {
  const { EtcdClient } = await import("../../chaos/client/client.ts");
  const client = new EtcdClient({ endpoint: `127.0.0.1:${port}` });
  const { type } = await client.call({ type: "memberList", linearizable: false }, { timeoutMs: 3_000 }).result;
  client.close();
  return type;
}

describe("HTTP apart from gRPC, metrics on a port of their own", () => {
  let member: RealMember;
  let ports: number[];
  beforeAll(async () => {
    ports = await freePorts(4);
    const [grpc = 0, http = 0, metrics = 0, peer = 0] = ports;
    member = memberWith("split", [
      ...[
        "--data-dir",
        join(directory, "split"),
        "--listen-client-urls",
        at(grpc),
        "--advertise-client-urls",
        at(grpc),
      ],
      ...["--listen-client-http-urls", at(http), "--listen-metrics-urls", at(metrics), "--listen-peer-urls", at(peer)],
      ...["--metrics=extensive", "--enable-pprof", "--warning-unary-request-duration=0s"],
    ]);
    member.start();
    await member.logged('"traffic":"grpc"');
  });
  afterAll(() => member.close());

  test("each port serves its own and nothing else", async () => {
    const [grpc = 0, http = 0, metrics = 0] = ports;
    expect(await unary(grpc)).toBe("reply");
    expect(await statusOf(`${at(grpc)}/health`)).toBe("none");
    expect([await statusOf(`${at(http)}/health`), await statusOf(`${at(http)}/version`)]).toEqual([200, 200]);
    expect(await unary(http)).not.toBe("reply");
    expect(await statusOf(`${at(metrics)}/metrics`)).toBe(200);
    expect(await statusOf(`${at(metrics)}/health`)).toBe(200);
    expect(await statusOf(`${at(metrics)}/readyz`)).toBe(200);
    expect(await statusOf(`${at(metrics)}/version`)).toBe(404);
    expect(await statusOf(`${at(metrics)}/v3/kv/range`)).toBe(404);
  });

  test("--metrics=extensive shows how long calls take", async () => {
    await unary(ports[0] ?? 0);
    const text = await (await fetch(`${at(ports[2] ?? 0)}/metrics`)).text();
    expect(text).toMatch(/grpc_server_handling_seconds_count\{[^}]*grpc_method="MemberList"[^}]*\} [1-9]/);
  });

  test("a unary call that takes too long is logged", async () => {
    await unary(ports[0] ?? 0);
    await member.logged('"response type":"/etcdserverpb.Cluster/MemberList"');
  });

  test("--enable-pprof serves what this runtime can tell, and refuses by name what only Go has", async () => {
    const base = `${at(ports[1] ?? 0)}/debug/pprof`;
    const profile = (await (await fetch(`${base}/profile?seconds=0.2`)).json()) as { nodes: unknown[] };
    expect(profile.nodes.length).toBeGreaterThan(0);
    const heap = (await (await fetch(`${base}/heap?seconds=0.1`)).json()) as { head: unknown };
    expect(heap.head).toBeDefined();
    expect(await (await fetch(`${base}/cmdline`)).text()).toContain("--enable-pprof");
    expect(await statusOf(`${base}/`)).toBe(200);
    expect(await statusOf(`${base}/goroutine`)).toBe(501);
    expect(await statusOf(`${base}/profile?seconds=0`)).toBe(400);
    expect(await statusOf(`${base}/nothing`)).toBe(404);
  });
});

test("metrics are served before there is a quorum; without the flag there are no profiles", async () => {
  const [client = 0, metrics = 0, peer = 0, absent = 0] = await freePorts(4);
  const member = memberWith("alone", [
    ...["--name", "alone", "--data-dir", join(directory, "alone"), "--listen-client-urls", at(client)],
    ...["--advertise-client-urls", at(client), "--listen-metrics-urls", at(metrics), "--listen-peer-urls", at(peer)],
    ...["--initial-advertise-peer-urls", at(peer), "--initial-cluster", `alone=${at(peer)},absent=${at(absent)}`],
  ]);
  member.start();
  try {
    await member.logged("serving metrics");
    expect(await (await fetch(`${at(metrics)}/metrics`)).text()).toContain("etcd_server_has_leader 0");
    expect(await statusOf(`${at(metrics)}/health`)).toBe(503);
    expect(await statusOf(`${at(metrics)}/debug/pprof/`)).toBe(404);
    expect(await statusOf(`${at(client)}/health`)).toBe("none");
  } finally {
    await member.close();
  }
});

test("a configuration file alone makes a member, TLS and all", async () => {
  const authority = await Authority.create(join(directory, "pki"));
  const pair: Pair = await authority.issue("server", { hosts: ["127.0.0.1"] });
  const [client = 0, metrics = 0, peer = 0] = await freePorts(3);
  const file = join(directory, "etcd.yml");
  writeFileSync(
    file,
    [
      "name: filed",
      `data-dir: ${join(directory, "filed")}`,
      `listen-client-urls: https://127.0.0.1:${client}`,
      `advertise-client-urls: https://127.0.0.1:${client}`,
      `listen-metrics-urls: ${at(metrics)}`,
      `listen-peer-urls: ${at(peer)}`,
      `initial-advertise-peer-urls: ${at(peer)}`,
      `initial-cluster: filed=${at(peer)}`,
      "heartbeat-interval: 50",
      "log-outputs: [stderr]",
      "client-transport-security:",
      `  cert-file: ${pair.certFile}`,
      `  key-file: ${pair.keyFile}`,
      "unknown-key: 1",
      "",
    ].join("\n"),
  );
  const member = memberWith("filed", ["--config-file", file]);
  member.start();
  try {
    await member.logged("serving client traffic securely");
    expect(member.log).toContain(`${file}:14: \\"unknown-key\\" is passed over: no such key`);
    expect(member.log).toContain('"heartbeat-interval":"50ms"');
    expect(await statusOf(`${at(metrics)}/health`)).toBe(200);
  } finally {
    await member.close();
  }
});
