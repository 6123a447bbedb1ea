/*
 * Snapshot files cross between our members and etcd 3.4, both ways: what one saves the other's tools check and restore,
 * and a member started from it serves the same keys at the same revisions.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { stockEtcd, whyNoStockEtcd } from "../chaos/stock-etcd.ts";
import { builtProgram } from "../kit/build.ts";
import { etcdctl, RealMember, whyNoEtcdctl } from "../kit/real-members.ts";

const whyNot = whyNoEtcdctl() ?? whyNoStockEtcd;
const suite = whyNot === undefined ? describe : describe.skip;
const root = join(import.meta.dirname, "../..");

interface Started {
  readonly endpoint: string;
  end(): Promise<void>;
}

suite(`snapshot files${whyNot === undefined ? "" : `: skipped, ${whyNot}`}`, () => {
  let directory: string;
  let running: Started[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "faultline-snapshot-"));
  });
  afterEach(async () => {
    for (const each of running) await each.end();
    running = [];
    rmSync(directory, { recursive: true, force: true });
  });

  const peerUrlOf = (port: number): string => `http://127.0.0.1:${port}`;
  const argsOf = (name: string, ports: { readonly client: number; readonly peer: number }, cluster: string) => {
    const clientUrl = peerUrlOf(ports.client);
    const peerUrl = peerUrlOf(ports.peer);
    return [
      ...["--name", name, "--data-dir", join(directory, name)],
      ...["--listen-client-urls", clientUrl, "--advertise-client-urls", clientUrl],
      ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
      ...["--initial-cluster", cluster],
    ];
  };
  const answers = async (endpoint: string): Promise<boolean> =>
    (await etcdctl(endpoint, ["get", "none", "--command-timeout=1s"])).exitCode === 0;
  const ready = async (endpoint: string): Promise<void> => {
    const deadline = Date.now() + 30_000;
    while (!(await answers(endpoint))) if (Date.now() > deadline) throw new Error(`${endpoint} does not answer`);
  };
  const startOurs = (name: string, ports: { client: number; peer: number }, cluster: string): RealMember => {
    const member = new RealMember({
      name,
      args: argsOf(name, ports, cluster),
      logFile: join(directory, `${name}.log`),
    });
    running.push({ endpoint: `127.0.0.1:${ports.client}`, end: () => member.close() });
    member.start();
    return member;
  };
  const startStock = (name: string, ports: { client: number; peer: number }, cluster: string): ChildProcess => {
    const binary = stockEtcd.kind === "etcd" ? stockEtcd.binary : "";
    const child = spawn(binary, argsOf(name, ports, cluster), { env: { PATH: process.env["PATH"] }, stdio: "ignore" });
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    running.push({
      endpoint: `127.0.0.1:${ports.client}`,
      async end() {
        child.kill("SIGKILL");
        await ended;
      },
    });
    return child;
  };
  const twoPorts = async (): Promise<{ client: number; peer: number }> => {
    const [client = 0, peer = 0] = await freePorts(2);
    return { client, peer };
  };
  const ctl = async (endpoint: string, ...args: string[]): Promise<string> => {
    const { stdout, stderr, exitCode } = await etcdctl(endpoint, args);
    expect([args, exitCode, stderr]).toEqual([args, 0, expect.any(String)]);
    return stdout;
  };
  /** Tools on files; `ours` is faultline etcdutl, else etcd's etcdctl 3.4. */
  const tool = (ours: boolean, ...args: string[]): { stdout: string; stderr: string; status: number | null } =>
    ours
      ? spawnSync(process.execPath, [builtProgram, "etcdutl", ...args], {
          cwd: root,
          encoding: "utf8",
        })
      : spawnSync("etcdctl", args, { env: { PATH: process.env["PATH"], ETCDCTL_API: "3" }, encoding: "utf8" });
  const succeed = (ours: boolean, ...args: string[]): string => {
    const { stdout, stderr, status } = tool(ours, ...args);
    expect([args, status, stderr]).toEqual([args, 0, expect.any(String)]);
    return stdout;
  };

  /** Keys with several versions, one deleted, one with a lease, some large; and a compaction. */
  const fill = async (endpoint: string): Promise<void> => {
    for (let number = 0; number < 60; number++) {
      await ctl(endpoint, "put", `key/${number % 40}`, number === 7 ? "x".repeat(100_000) : `value ${number}`);
    }
    await ctl(endpoint, "del", "key/3");
    await ctl(endpoint, "compact", "20");
    await ctl(endpoint, "put", "after", "compaction");
    const lease = /lease ([0-9a-f]+) granted/.exec(await ctl(endpoint, "lease", "grant", "3000"))?.[1] ?? "";
    await ctl(endpoint, "put", "leased", "yes", `--lease=${lease}`);
  };
  /** All keys with their revisions and leases, without what a member says of itself. */
  const contentOf = async (endpoint: string, ...args: string[]): Promise<unknown> => {
    const found = JSON.parse(await ctl(endpoint, "get", "", "--from-key", "-w", "json", ...args));
    return { kvs: found.kvs, count: found.count, revision: found.header.revision };
  };
  const leasesOf = (endpoint: string): Promise<string> => ctl(endpoint, "lease", "list");

  for (const from of ["ours", "stock"] as const) {
    for (const to of ["ours", "stock"] as const) {
      test(`saved by ${from}, restored to ${to}: the same keys at the same revisions`, async () => {
        const ports = await twoPorts();
        const source = `127.0.0.1:${ports.client}`;
        (from === "ours" ? startOurs : startStock)("source", ports, `source=${peerUrlOf(ports.peer)}`);
        await ready(source);
        await fill(source);
        const file = join(directory, "saved.db");
        await ctl(source, "snapshot", "save", file);
        const content = await contentOf(source);
        const old = await contentOf(source, "--rev=45");

        // Both tools read it alike; etcd 3.4 counts every entry of every bucket as a key.
        const ourStatus = JSON.parse(succeed(true, "snapshot", "status", file, "-w", "json"));
        const stockStatus = JSON.parse(succeed(false, "snapshot", "status", file, "-w", "json"));
        expect(ourStatus).toMatchObject({
          hash: stockStatus.hash,
          revision: stockStatus.revision,
          totalSize: stockStatus.totalSize,
          totalKey: (content as { count: number }).count,
          version: from === "ours" ? "3.6.0" : "",
        });

        const cluster: string[] = [];
        const places = [await twoPorts(), await twoPorts(), await twoPorts()];
        for (const [position, place] of places.entries()) cluster.push(`r${position}=${peerUrlOf(place.peer)}`);
        const list = cluster.join(",");
        for (const [position, place] of places.entries()) {
          succeed(
            to === "ours",
            ...["snapshot", "restore", file, "--name", `r${position}`, "--data-dir", join(directory, `r${position}`)],
            ...["--initial-cluster", list, "--initial-advertise-peer-urls", peerUrlOf(place.peer)],
          );
        }
        for (const [position, place] of places.entries()) {
          (to === "ours" ? startOurs : startStock)(`r${position}`, place, list);
        }
        for (const { client } of places) {
          const endpoint = `127.0.0.1:${client}`;
          await ready(endpoint);
          expect(await contentOf(endpoint)).toEqual(content);
          expect(await contentOf(endpoint, "--rev=45")).toMatchObject({ kvs: (old as { kvs: unknown }).kvs });
          expect(await leasesOf(endpoint)).toBe(await leasesOf(source));
        }
        const restored = `127.0.0.1:${places[0]?.client}`;
        const early = await etcdctl(restored, ["get", "after", "--rev=19"]);
        expect(early.stderr).toContain("required revision has been compacted");
        expect(await ctl(restored, "put", "more", "1")).toBe("OK\n");
        const members = JSON.parse(await ctl(restored, "member", "list", "-w", "json"));
        expect(members.members.map((member: { name: string }) => member.name).sort()).toEqual(["r0", "r1", "r2"]);
      });
    }
  }

  test("a bumped restore passes over revisions and has compacted all before them", async () => {
    const ports = await twoPorts();
    const source = `127.0.0.1:${ports.client}`;
    startOurs("source", ports, `source=${peerUrlOf(ports.peer)}`);
    await ready(source);
    await ctl(source, "put", "a", "1");
    const file = join(directory, "saved.db");
    await ctl(source, "snapshot", "save", file);
    const place = await twoPorts();
    const cluster = `r0=${peerUrlOf(place.peer)}`;
    const args = [
      ...["snapshot", "restore", file, "--name", "r0", "--data-dir", join(directory, "r0")],
      ...["--initial-cluster", cluster, "--initial-advertise-peer-urls", peerUrlOf(place.peer)],
    ];
    expect(tool(true, ...args, "--bump-revision", "1000")).toMatchObject({
      status: 1,
      stderr: "Error: --mark-compacted required if --revision-bump > 0\n",
    });
    succeed(true, ...args, "--bump-revision", "1000", "--mark-compacted");
    startOurs("r0", place, cluster);
    const endpoint = `127.0.0.1:${place.client}`;
    await ready(endpoint);
    expect(await contentOf(endpoint)).toMatchObject({ revision: 1002, count: 1 });
    expect((await etcdctl(endpoint, ["get", "a", "--rev=2"])).stderr).toContain("has been compacted");
    await ctl(endpoint, "put", "a", "2");
    expect(await contentOf(endpoint)).toMatchObject({ revision: 1003 });
  });

  test("what must not be restored is refused, and nothing is left behind", async () => {
    const ports = await twoPorts();
    const source = `127.0.0.1:${ports.client}`;
    startOurs("source", ports, `source=${peerUrlOf(ports.peer)}`);
    await ready(source);
    await ctl(source, "put", "a", "1");
    const file = join(directory, "saved.db");
    await ctl(source, "snapshot", "save", file);
    const bytes = readFileSync(file);
    const broken = join(directory, "broken.db");
    const target = join(directory, "target");
    const refused = (path: string, ...args: string[]): string => {
      const { status, stderr } = tool(true, "snapshot", "restore", path, "--data-dir", target, ...args);
      expect(status).toBe(1);
      expect(existsSync(join(target, "member"))).toBe(false);
      return stderr.trim().split("\n").at(-1) ?? "";
    };
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(broken, bytes);
    expect(refused(broken)).toMatch(/^Error: expected sha256 \[[\d ]+\], got \[[\d ]+\]$/);
    writeFileSync(broken, bytes.subarray(0, bytes.length - 32));
    expect(refused(broken)).toBe("Error: snapshot missing hash but --skip-hash-check=false");
    writeFileSync(broken, "nothing of the kind");
    expect(refused(broken)).toBe("Error: snapshot missing hash but --skip-hash-check=false");
    expect(refused(broken, "--skip-hash-check")).toBe("Error: invalid database");
    expect(refused(file, "--name", "other")).toContain('couldn\'t find local name "other"');
    expect(tool(true, "snapshot", "restore", file, "--data-dir", join(directory, "source"))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("not empty or could not be read"),
    });
    expect(tool(true, "snapshot", "restore", join(directory, "none"))).toMatchObject({ status: 1 });
  });
});
