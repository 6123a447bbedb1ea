/*
 * faultline etcdctl over TLS: its files, its switches, and what it says when a certificate is wrong.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { run } from "../../chaos/ctl/etcdctl.ts";
import { Authority, type Pair } from "../kit/certificates.ts";
import { printedBy } from "../kit/printed.ts";
import { type RealCluster, startCluster } from "../kit/real-members.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Runs one command, standard output and error caught. */
const ctl = (...args: string[]) => printedBy(() => run(args));

describe("a member that wants certificates", () => {
  let directory: string;
  let authority: Authority;
  let stranger: Authority;
  let own: Pair;
  let cluster: RealCluster;
  let flags: string[];
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "faultline-ctl-tls-"));
    authority = await Authority.create(join(directory, "ours"));
    stranger = await Authority.create(join(directory, "theirs"), "Foreign Authority");
    own = await authority.issue("client", { commonName: "somebody" });
    const server = await authority.issue("server", { hosts: ["127.0.0.1"] });
    cluster = await startCluster(
      1,
      ["--cert-file", server.certFile, "--key-file", server.keyFile, "--trusted-ca-file", authority.caFile],
      "ours",
      { client: "https", peer: "http" },
    );
    await cluster.ready();
    flags = ["--endpoints", cluster.endpoints, "--cacert", authority.caFile];
  });
  afterAll(async () => {
    await cluster?.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const shown = (): string[] => [...flags, "--cert", own.certFile, "--key", own.keyFile];

  test("is put to and read from with certificate, key and authority", async () => {
    expect(await ctl(...shown(), "put", "a", "1")).toEqual({ code: 0, stdout: "OK\n", stderr: "" });
    expect((await ctl(...shown(), "get", "a")).stdout).toBe("a\n1\n");
    expect((await ctl(...shown(), "member", "list")).stdout).toContain(cluster.endpoints);
    expect((await ctl(...shown(), "endpoint", "health")).stdout).toMatch(/^https:\/\/127\.0\.0\.1:\d+ is healthy/);
  });

  test("is reached over TLS without a scheme too, when files or a switch say so", async () => {
    const plain = cluster.endpoints.replace("https://", "");
    const files = ["--cacert", authority.caFile, "--cert", own.certFile, "--key", own.keyFile];
    expect((await ctl("--endpoints", plain, ...files, "get", "a")).code).toBe(0);
    expect((await ctl("--endpoints", plain, "--command-timeout", "1000", "get", "a")).code).toBe(1);
  });

  test("may be any with --insecure-skip-tls-verify, and is not trusted without its authority", async () => {
    const pair = ["--cert", own.certFile, "--key", own.keyFile];
    expect((await ctl("--endpoints", cluster.endpoints, ...pair, "--insecure-skip-tls-verify", "get", "a")).code).toBe(
      0,
    );
    const refused = await ctl("--endpoints", cluster.endpoints, ...pair, "--cacert", stranger.caFile, "get", "a");
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^Error: no connection: .*(certificate|signature)/);
  });

  test("turns away who shows nothing, which is an error of the call", async () => {
    const result = await ctl(...flags, "--command-timeout", "2000", "get", "a");
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(result.stderr).toMatch(/^Error: /);
    await cluster.members[0]?.logged("tls: client didn't provide a certificate");
  });

  test("variables stand in for flags, not beside them", async () => {
    vi.stubEnv("ETCDCTL_CACERT", authority.caFile);
    vi.stubEnv("ETCDCTL_CERT", own.certFile);
    vi.stubEnv("ETCDCTL_KEY", own.keyFile);
    expect((await ctl("--endpoints", cluster.endpoints, "get", "a")).code).toBe(0);
    const both = await ctl("--endpoints", cluster.endpoints, "--cacert", authority.caFile, "get", "a");
    expect(both.code).toBe(128);
    expect(both.stderr).toContain('conflicting environment variable "ETCDCTL_CACERT" is shadowed');
  });
});

test("a file that is not there, half a pair and an end point of another kind are refused by name", async () => {
  const missing = await ctl("--cacert", "/no/such.pem", "get", "a");
  expect([missing.code, missing.stderr]).toEqual([
    128,
    "Error: --cacert: open /no/such.pem: no such file or directory\n",
  ]);
  expect((await ctl("--cert", "c.pem", "get", "a")).stderr).toContain("--cert and --key go together: --key is missing");
  const other = await ctl("--endpoints", "ftp://a:1", "get", "a");
  expect([other.code, other.stderr]).toEqual([
    128,
    'Error: --endpoints: "ftp://a:1" is no host:port, http://host:port, https://host:port, unix://path or unixs://path\n',
  ]);
});
