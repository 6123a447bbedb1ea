/*
 * A log on a disk of its own (--wal-dir), and a backend that is defragmented at start.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { newTransport } from "../../chaos/ctl/etcdctl/global-flags.ts";
import { Session } from "../../chaos/ctl/etcdctl/session.ts";
import { run as etcdutl } from "../../chaos/ctl/etcdutl.ts";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { openBackend } from "../../chaos/member/backend.ts";
import { KV } from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { RealMember } from "../kit/real-members.ts";

let directory: string;
let ports: number[];
const members: RealMember[] = [];
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "faultline-wal-dir-"));
  ports = await freePorts(2);
});
afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.close()));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const at = (...path: string[]): string => join(directory, ...path);
const url = (position: number): string => `http://127.0.0.1:${ports[position]}`;

function memberWith(...args: string[]): RealMember {
  const member = new RealMember({
    name: "m",
    logFile: at("m.log"),
    args: [
      ...["--name", "m", "--data-dir", at("data")],
      ...["--listen-client-urls", url(0), "--advertise-client-urls", url(0)],
      ...["--listen-peer-urls", url(1), "--initial-advertise-peer-urls", url(1)],
      ...["--initial-cluster", `m=${url(1)}`, ...args],
    ],
  });
  members.push(member);
  member.start();
  return member;
}

async function asked<Result>(body: (session: Session) => Promise<Result>): Promise<Result> {
  const endpoints = [`127.0.0.1:${ports[0]}`];
  const session = new Session({ endpoints, writeOut: "simple", commandTimeout: 20_000 }, newTransport({}));
  try {
    return await body(session);
  } finally {
    session.close();
  }
}
const put = (key: string, value: Uint8Array = Buffer.from("v")) =>
  asked((session) => session.call(KV.method.put, { key: Buffer.from(key), value }));
const count = async (): Promise<number> =>
  asked(async (session) => {
    const range = { key: Buffer.from("\0"), rangeEnd: Buffer.from("\0"), countOnly: true };
    return Number((await session.call(KV.method.range, range)).message.count);
  });

async function refusedWith(member: RealMember): Promise<string> {
  expect((await member.ended(50_000)).exitCode).toBe(1);
  return member.log;
}

describe("a log of its own place", () => {
  test("holds the log and nothing else does, and survives a kill", async () => {
    const member = memberWith("--wal-dir", at("wal"));
    await member.logged("serving client traffic");
    await put("a");
    await member.end("SIGKILL");
    expect(readdirSync(at("wal", "wal")).length).toBeGreaterThan(0);
    expect(existsSync(at("data", "member", "wal"))).toBe(false);
    member.start();
    await member.logged("serving client traffic", 2);
    expect(await count()).toBe(1);
  });

  test("is asked for where it was left out", async () => {
    expect(await refusedWith(memberWith())).toContain(
      "if this member was started with --wal-dir before, give it again",
    );
    rmSync(at("data", "member", "wal"), { recursive: true, force: true });
  });

  test("is looked for where it lies, and may be moved", async () => {
    renameSync(at("wal", "wal"), at("data", "member", "wal"));
    expect(await refusedWith(memberWith("--wal-dir", at("wal")))).toContain(
      `the log of this member lies in ${at("data", "member", "wal")}; move that directory to ${at("wal", "wal")}`,
    );
    rmSync(at("wal", "wal"), { recursive: true, force: true });
    renameSync(at("data", "member", "wal"), at("wal", "wal"));
    const member = memberWith("--wal-dir", at("wal"));
    await member.logged("serving client traffic");
    expect(await count()).toBe(1);
  });

  test("that cannot be made ends the start by name", async () => {
    expect(await refusedWith(memberWith("--wal-dir", "/proc/no/such"))).toContain("cannot write to WAL directory: ");
  });

  test("is filled by etcdutl snapshot restore, which takes no place that is in use", async () => {
    const member = memberWith("--wal-dir", at("wal"));
    await member.logged("serving client traffic");
    await asked(async (session) => {
      const { run } = await import("../../chaos/ctl/etcdctl.ts");
      expect(await run(["--endpoints", session.endpoints[0] ?? "", "snapshot", "save", at("snap.db")])).toBe(0);
    });
    await member.end("SIGTERM");
    const restore = (walHome: string): Promise<number> =>
      etcdutl([
        ...["snapshot", "restore", at("snap.db"), "--data-dir", at("restored"), "--wal-dir", walHome],
        ...["--name", "m", "--initial-cluster", `m=${url(1)}`, "--initial-advertise-peer-urls", url(1)],
      ]);
    expect(await restore(at("wal"))).toBe(1);
    expect(existsSync(at("restored"))).toBe(false);
    mkdirSync(at("wal-2"));
    expect(await restore(at("wal-2"))).toBe(0);
    const again = memberWith("--data-dir", at("restored"), "--wal-dir", at("wal-2"));
    await again.logged("serving client traffic");
    expect(await count()).toBe(1);
  });
});

test("a backend is defragmented at a start that frees enough", async () => {
  const args = ["--data-dir", at("large")];
  const member = memberWith(...args);
  await member.logged("serving client traffic");
  for (let position = 0; position < 8; position++) await put(`k${position}`, Buffer.alloc(1_000_000));
  await asked(async (session) => {
    const range = { key: Buffer.from("k"), rangeEnd: Buffer.from("l") };
    const { message } = await session.call(KV.method.deleteRange, range);
    await session.call(KV.method.compact, { revision: message.header?.revision ?? 0n, physical: true });
  });
  await member.end("SIGTERM");
  const allocated = (): number => {
    const { backend } = openBackend(at("large", "member", "snap"));
    try {
      return backend.size().allocatedBytes;
    } finally {
      backend.close();
    }
  };
  const before = allocated();
  const patient = memberWith(...args, "--bootstrap-defrag-threshold-megabytes=1000");
  await patient.logged("skipping defragmentation at start");
  await patient.logged("serving client traffic");
  await patient.end("SIGTERM");
  expect(allocated()).toBeGreaterThan(before / 2);
  const eager = memberWith(...args, "--bootstrap-defrag-threshold-megabytes=2");
  await eager.logged("finished defragmenting at start");
  await eager.logged("serving client traffic");
  await eager.end("SIGTERM");
  expect(allocated()).toBeLessThan(before / 2);
});
