/*
 * A real member on a data directory in which one thing is not as a member leaves it. It starts and has all it acknowledged,
 * or it refuses and names the file: no stack, no signal, no waiting.
 */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EtcdClient } from "../../chaos/client/client.ts";
import { plainRange } from "../../chaos/client/plain-range.ts";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { utf8Decode, utf8Encode } from "../../core/index.ts";
import { RealMember } from "../kit/real-members.ts";
import { putOf } from "../kit/requests.ts";

const keys = Array.from({ length: 40 }, (_, position) => `key-${position}`);
let home = "";
let ports: readonly number[] = [];
const members: RealMember[] = [];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "faultline-strange-"));
  ports = await freePorts(2);
  const member = memberOn("original");
  await served(member, async (client) => {
    for (const key of keys) expect((await client.call(putOf(key, `of ${key}`), callOptions).result).type).toBe("reply");
  });
}, 60_000);
afterAll(async () => {
  for (const member of members) await member.close();
  rmSync(home, { recursive: true });
});

const callOptions = { timeoutMs: 10_000 };

function memberOn(name: string): RealMember {
  const [client, peer] = ports.map((port) => `http://127.0.0.1:${port}`) as [string, string];
  const member = new RealMember({
    name,
    logFile: join(home, `${name}.log`),
    args: [
      ...["--name", "m", "--data-dir", join(home, name), "--initial-cluster", `m=${peer}`],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
    ],
  });
  members.push(member);
  return member;
}

/** Starts it, has it serve, and ends it: everything is in the backend then. */
async function served(member: RealMember, use: (client: EtcdClient) => Promise<void>): Promise<void> {
  member.start();
  await member.logged("serving client traffic insecurely");
  const client = new EtcdClient({ endpoint: `127.0.0.1:${ports[0]}` });
  try {
    await use(client);
  } finally {
    client.close();
    await member.end("SIGTERM");
  }
}

let copies = 0;
/** A copy of the directory, changed. @returns its name */
function changed(change: (member: string, wal: string) => void): string {
  const name = `copy-${copies++}`;
  cpSync(join(home, "original"), join(home, name), { recursive: true });
  const member = join(home, name, "member");
  change(member, join(member, "wal"));
  return name;
}

function fileInPlaceOf(path: string): void {
  rmSync(path, { recursive: true });
  writeFileSync(path, "");
}

function directoryInPlaceOf(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

const segmentOf = (wal: string): string => join(wal, readdirSync(wal)[0] ?? "");

describe("refused, with the file, the remedy and a code of its own", () => {
  const cases: readonly (readonly [string, (member: string, wal: string) => void, RegExp])[] = [
    [
      "a directory in the log's",
      (_m, wal) => mkdirSync(join(wal, "lost+found")),
      /wal\/lost\+found is not a file.*move it out/,
    ],
    [
      "a link to nowhere in the log's",
      (_m, wal) => symlinkSync("/nowhere", join(wal, "a.wal")),
      /ENOENT.*wal\/a\.wal.*move it away/,
    ],
    ["a file in place of the log's", (_m, wal) => fileInPlaceOf(wal), /EEXIST.*member\/wal'/],
    ["a file in place of the backend's", (m) => fileInPlaceOf(join(m, "snap")), /ENOTDIR.*member\/snap'/],
    ["a directory in place of the lock", (m) => directoryInPlaceOf(join(m, "lock")), /EISDIR.*member\/lock'/],
    [
      "a directory where the identity is written",
      (m) => mkdirSync(join(m, "identity.json.tmp")),
      /EISDIR.*identity\.json\.tmp'/,
    ],
    [
      "the backend's file cut short",
      (m) => truncateSync(join(m, "snap/db-1/data.mdb"), 20_000),
      /data\.mdb, offset 20000: the file ends here.*add it again/,
    ],
    [
      "a backend's file of zeros",
      (m) => writeFileSync(join(m, "snap/db-1/data.mdb"), new Uint8Array(40_000)),
      /data\.mdb, offset 0: no LMDB file.*add it again/,
    ],
    [
      "a byte of the backend's state changed",
      (m) => {
        const path = join(m, "snap/db-1/data.mdb");
        const bytes = readFileSync(path);
        // Every copy of a key-value that names this key: the length of the key.
        for (let at = bytes.indexOf("key-39"); at > 0; at = bytes.indexOf("key-39", at + 1)) bytes[at - 1] = 0x7f;
        writeFileSync(path, bytes);
      },
      /member\/snap holds is no member's state: .*add it again/,
    ],
    [
      "the end of the log gone",
      (_m, wal) => {
        const bytes = readFileSync(segmentOf(wal));
        bytes.fill(0, bytes.indexOf("key-20") - 60);
        writeFileSync(segmentOf(wal), bytes);
      },
      /the write-ahead log ends at index \d+, in segment 0.*\.wal, but the backend holds entries up to index \d+/,
    ],
    [
      "an empty content that seems to be newer",
      (m) => mkdirSync(join(m, "snap/db-2")),
      /snap\/db-2\/data\.mdb\) of the backend is missing/,
    ],
  ];
  test.each(cases)("%s", async (_what, change, text) => {
    const name = changed(change);
    const member = memberOn(name);
    member.start();
    const { exitCode } = await member.ended();
    expect(member.log).toMatch(text);
    expect(member.log).not.toMatch(/^\s+at |internal error/m);
    expect(exitCode).toBe(1);
    rmSync(join(home, name), { recursive: true });
  });
});

test("what does not matter is passed by, and all is there: files of others, half a backend, a lost lock, a reserve cut short", async () => {
  const name = changed((m) => {
    mkdirSync(join(m, "snap/db-2.part"));
    writeFileSync(join(m, "notes.txt"), "mine");
    rmSync(join(m, "snap/db-1/lock.mdb"));
    truncateSync(join(m, "reserve"), 10);
    chmodSync(join(m, "notes.txt"), 0);
  });
  const reserve = readFileSync(join(home, "original/member/reserve")).length;
  await served(memberOn(name), async (client) => {
    const range = { ...plainRange, key: utf8Encode("key-"), rangeEnd: utf8Encode("key.") };
    const result = await client.call(range, callOptions).result;
    const answer = result.type === "reply" ? result.reply.answer : undefined;
    const pairs =
      answer?.type === "range"
        ? answer.keyValues.map(({ key, value }) => `${utf8Decode(key)} ${utf8Decode(value)}`)
        : [];
    expect(pairs.sort()).toEqual(keys.map((key) => `${key} of ${key}`).sort());
    expect(readdirSync(join(home, name, "member/snap"))).toEqual(["db-1"]);
    expect(readFileSync(join(home, name, "member/reserve"))).toHaveLength(reserve);
  });
});
