/*
 * The runbook of certificates that are about to end, on three members with TLS on every port and etcd's own etcdctl as
 * client: new files are put in the place of the old ones, member by member, first by the same authority and then by a new
 * one. A writer goes on all the while, and a watch that began before sees every write.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Authority, type Pair } from "../kit/certificates.ts";
import {
  type CtlResult,
  etcdctl,
  type RealCluster,
  spawnEtcdctl,
  startCluster,
  until,
  whyNoEtcdctl,
} from "../kit/real-members.ts";

const whyNot = whyNoEtcdctl();
const suite = whyNot === undefined ? describe : describe.skip;
/** On a busy machine. */
const patience = { timeout: 600_000 };
const hosts = ["127.0.0.1", "localhost"];
const https = { client: "https", peer: "https" } as const;

suite(`certificates are renewed${whyNot === undefined ? "" : `: skipped, ${whyNot}`}`, () => {
  let directory: string;
  let authority: Authority;
  let cluster: RealCluster;
  /** What the operator gave each member; the files stay where they are. */
  let pairs: Pair[];
  let trustFile: string;
  let client: Pair;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "faultline-renewal-"));
    authority = await Authority.create(join(directory, "first"));
    trustFile = join(directory, "trusted.pem");
    writeFileSync(trustFile, readFileSync(authority.caFile));
    pairs = [];
    for (const name of ["m1", "m2", "m3"])
      pairs.push(await authority.issue(name, { commonName: `${name} first`, hosts }));
    client = await authority.issue("client", { commonName: "root" });
    cluster = await startCluster(
      3,
      (position) => {
        const { certFile, keyFile } = pairs[position] ?? client;
        return [
          ...["--cert-file", certFile, "--key-file", keyFile, "--client-cert-auth", "--trusted-ca-file", trustFile],
          ...["--peer-cert-file", certFile, "--peer-key-file", keyFile],
          ...["--peer-client-cert-auth", "--peer-trusted-ca-file", trustFile],
        ];
      },
      "ours",
      https,
    );
    await Promise.all(cluster.members.map((member) => member.logged("serving client traffic", 1, 120_000)));
  }, patience.timeout);
  afterEach(async () => {
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  }, patience.timeout);

  const asClient = (pair: Pair): string[] => ["--cacert", trustFile, "--cert", pair.certFile, "--key", pair.keyFile];
  const ctl = (...args: string[]): Promise<CtlResult> =>
    etcdctl(cluster.endpoints, [...asClient(client), "--command-timeout=30s", ...args]);

  /** The subject of what a port shows to a new connection. */
  function shown(port: number | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      const [cert, key, ca] = [client.certFile, client.keyFile, trustFile].map((file) => readFileSync(file));
      const socket = connect({ port: port ?? 0, host: "127.0.0.1", cert, key, ca }, () => {
        const { subject } = socket.getPeerCertificate();
        socket.destroy();
        resolve(String(subject.CN));
      });
      socket.once("error", reject);
    });
  }

  /** Puts until told to stop; `failed`: what was not acknowledged, and why. */
  function writer() {
    let isDone = false;
    const acknowledged: string[] = [];
    const failed: string[] = [];
    const done = (async () => {
      for (let number = 0; !isDone; number++) {
        const { exitCode, stderr } = await ctl("put", `k/${number}`, "1");
        if (exitCode === 0) acknowledged.push(`k/${number}`);
        else failed.push(stderr);
      }
    })();
    const more = async (): Promise<void> => {
      const before = acknowledged.length;
      await until(
        () => acknowledged.length >= before + 2,
        120_000,
        () => `writes: ${failed.join("")}`,
      );
    };
    return {
      ...{ acknowledged, failed, more },
      stop: async (): Promise<void> => {
        isDone = true;
        await done;
      },
    };
  }

  /** A process of etcdctl that watches what the writer writes. */
  async function watcher() {
    const endpoint = cluster.endpoints.split(",")[0] ?? "";
    const child = spawnEtcdctl(endpoint, [...asClient(client), "watch", "", "--prefix"]);
    let printed = "";
    child.stdout?.on("data", (piece: Buffer) => {
      printed += piece;
    });
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    // It prints nothing until it hears of something.
    for (let number = 0; !printed.includes("begin"); number++) await ctl("put", `begin/${number}`, "1");
    return {
      sees: (keys: readonly string[]): Promise<void> =>
        until(
          () => keys.every((key) => printed.includes(`${key}\n`)),
          60_000,
          () => `all of ${keys}: ${printed}`,
        ),
      isRunning: (): boolean => child.exitCode === null,
      end: (): Promise<void> => {
        child.kill("SIGKILL");
        return ended;
      },
    };
  }

  test(
    "by the same authority: new connections get the new ones, old ones go on, and no write fails",
    patience,
    async () => {
      const watch = await watcher();
      const writes = writer();
      try {
        for (const [position, name] of ["m1", "m2", "m3"].entries()) {
          expect(await shown(cluster.clientPorts[position])).toBe(`${name} first`);
          // Replaces the certificate, and then its key.
          await authority.issue(name, { commonName: `${name} second`, hosts });
          expect(await shown(cluster.clientPorts[position])).toBe(`${name} second`);
          expect(await shown(cluster.peerPorts[position])).toBe(`${name} second`);
          await writes.more();
        }
        await authority.issue("client", { commonName: "root" });
        await writes.more();
        await writes.stop();
        expect(writes.failed).toEqual([]);
        await watch.sees(writes.acknowledged);
        expect(watch.isRunning()).toBe(true);
        for (const member of cluster.members) expect(member.log).not.toContain("rejected connection");
      } finally {
        await writes.stop();
        await watch.end();
      }
    },
  );

  test(
    "by a new authority: both are trusted for a while, and in the end a restarted member is let in by the new one alone",
    patience,
    async () => {
      const next = await Authority.create(join(directory, "next"), "Next Authority");
      const foreign = client;
      const writes = writer();
      try {
        // First everybody trusts both, members and clients.
        const both = [authority.caFile, next.caFile].map((file) => readFileSync(file, "utf8").trimEnd());
        writeFileSync(trustFile, `${both.join("\n")}\n`);
        await writes.more();
        // Then everybody shows a certificate of the new one.
        for (const [position, name] of ["m1", "m2", "m3"].entries()) {
          const { certFile, keyFile } = await next.issue(name, { commonName: `${name} next`, hosts });
          writeFileSync(pairs[position]?.certFile ?? "", readFileSync(certFile));
          writeFileSync(pairs[position]?.keyFile ?? "", readFileSync(keyFile));
          expect(await shown(cluster.clientPorts[position])).toBe(`${name} next`);
          await writes.more();
        }
        client = await next.issue("client", { commonName: "root" });
        // Then nobody trusts the old one any more.
        writeFileSync(trustFile, readFileSync(next.caFile));
        await writes.more();
        // Whoever starts now reads no old file: the others, which were never restarted, reach it and are reached by it.
        for (const member of cluster.members) {
          await member.end("SIGTERM");
          await writes.more();
          member.start();
          await member.logged("serving client traffic", 2, 120_000);
          await writes.more();
        }
        await writes.stop();
        const { stdout } = await ctl("get", "k/", "--prefix", "--keys-only");
        const keys = stdout.split("\n");
        expect(writes.acknowledged.filter((key) => !keys.includes(key))).toEqual([]);
        const health = await ctl("endpoint", "health");
        expect(`${health.stdout}${health.stderr}`.split("is healthy")).toHaveLength(4);
        const old = await etcdctl(cluster.endpoints.split(",")[0] ?? "", [
          ...asClient(foreign),
          ...["--command-timeout=1s", "get", "k/0"],
        ]);
        expect([old.exitCode, old.stdout]).toEqual([1, ""]);
      } finally {
        await writes.stop();
      }
    },
  );
});
