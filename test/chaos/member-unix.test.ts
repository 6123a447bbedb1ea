/*
 * Members whose ports are unix sockets, plain and with TLS: for clients, for each other, and for what a killed process
 * leaves behind.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newTransport } from "../../chaos/ctl/etcdctl/global-flags.ts";
import { Session } from "../../chaos/ctl/etcdctl/session.ts";
import { Cluster, KV } from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { Authority } from "../kit/certificates.ts";
import { etcdctl, RealMember, whyNoEtcdctl } from "../kit/real-members.ts";

let directory: string;
const members: RealMember[] = [];
const sessions: Session[] = [];
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "fl-unix-"));
});
afterAll(async () => {
  for (const session of sessions) session.close();
  await Promise.all(members.map((member) => member.close()));
  rmSync(directory, { recursive: true, force: true });
});

function memberAt(name: string, urls: { readonly client: string; readonly peer: string }, more: readonly string[]) {
  const member = new RealMember({
    name,
    logFile: join(directory, `${name}.log`),
    args: [
      ...["--name", name, "--data-dir", join(directory, name)],
      ...["--listen-client-urls", urls.client, "--advertise-client-urls", urls.client],
      ...["--listen-peer-urls", urls.peer, "--initial-advertise-peer-urls", urls.peer],
      ...more,
    ],
  });
  members.push(member);
  member.start();
  return member;
}

function sessionAt(endpoint: string, cacert?: string): Session {
  const flags = { endpoints: [endpoint], writeOut: "simple", commandTimeout: 10_000 } as const;
  const session = new Session(flags, newTransport(cacert === undefined ? {} : { cacert }));
  sessions.push(session);
  return session;
}

describe("one member", () => {
  const file = (): string => join(directory, "one.sock");
  const urls = () => ({ client: `unix://${file()}`, peer: `unix://${join(directory, "one-peer.sock")}` });

  test("serves gRPC and HTTP on its socket, also after a kill that left the socket file behind", async () => {
    const member = memberAt("one", urls(), []);
    await member.logged("serving client traffic");
    const session = sessionAt(`unix://${file()}`);
    await session.call(KV.method.put, { key: Buffer.from("k"), value: Buffer.from("v") });
    expect(await session.httpGet(`unix://${file()}`, "/health")).toContain('"health":"true"');
    await member.end("SIGKILL");
    expect(existsSync(file())).toBe(true);
    member.start();
    await member.logged("serving client traffic", 2);
    const { message } = await session.call(KV.method.range, { key: Buffer.from("k") });
    expect(Buffer.from(message.kvs[0]?.value ?? []).toString()).toBe("v");
  });

  test("is reached by etcd's own etcdctl", { skip: whyNoEtcdctl() !== undefined }, async () => {
    expect(await etcdctl(`unix://${file()}`, ["get", "k"])).toMatchObject({ stdout: "k\nv\n", exitCode: 0 });
  });

  test("keeps its socket: another process is refused it", async () => {
    const other = memberAt("other", { client: urls().client, peer: `unix://${join(directory, "other.sock")}` }, []);
    expect(await other.ended()).toEqual({ exitCode: 1, signal: null });
    expect(other.log).toContain(`listen unix ${file()}: bind: address already in use`);
    await sessionAt(`unix://${file()}`).call(KV.method.range, { key: Buffer.from("k") });
  });

  test("takes its sockets away when it ends in good order", async () => {
    await members[0]?.end("SIGTERM");
    expect(existsSync(file())).toBe(false);
  });
});

test("members speak TLS to each other over their sockets", async () => {
  const authority = await Authority.create(join(directory, "ca"));
  const pair = await authority.issue("member", { hosts: ["localhost"] });
  const files = [
    ...["--cert-file", pair.certFile, "--key-file", pair.keyFile],
    ...["--peer-cert-file", pair.certFile, "--peer-key-file", pair.keyFile],
    ...["--peer-trusted-ca-file", authority.caFile, "--peer-client-cert-auth"],
  ];
  const peer = (name: string): string => `unixs://${join(directory, `${name}-peer.sock`)}`;
  const client = (name: string): string => `unixs://${join(directory, `${name}.sock`)}`;
  const list = `a=${peer("a")},b=${peer("b")}`;
  const both = ["a", "b"].map((name) =>
    memberAt(name, { client: client(name), peer: peer(name) }, [...files, "--initial-cluster", list]),
  );
  await Promise.all(both.map((member) => member.logged("serving client traffic securely")));
  const session = sessionAt(client("a"), authority.caFile);
  const { message } = await session.call(Cluster.method.memberList, { linearizable: true });
  expect(message.members.flatMap(({ peerURLs }) => peerURLs).sort()).toEqual([peer("a"), peer("b")]);
});
