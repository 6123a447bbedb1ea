/*
 * etcd's command line and environment: what is accepted, what is refused, and in which words.
 */
import { describe, expect, test } from "vitest";
import { durationMs } from "../../chaos/member/durations.ts";
import { type FlagsRead, type MemberFlags, readFlags } from "../../chaos/member/flags.ts";
import {
  bootstrapMembers,
  clusterIdFor,
  foreignDirectory,
  memberIdFor,
  type StoredIdentity,
} from "../../chaos/member/identity.ts";
import { bootstrapProblem } from "../../chaos/member/initial-cluster.ts";
import { hexOf } from "../../core/index.ts";

const read = (argv: readonly string[], environment: { [name: string]: string } = {}): FlagsRead =>
  readFlags(argv, environment, ["etcd Version: x"]);

function flagsOf(argv: readonly string[], environment: { [name: string]: string } = {}): MemberFlags {
  const result = read(argv, environment);
  if (result.kind !== "start") throw new Error(JSON.stringify(result));
  return result.flags;
}

describe("sources", () => {
  test("a flag takes one dash or two, a value behind it or after an equals sign", () => {
    for (const argv of [["--name", "n"], ["-name", "n"], ["--name=n"], ["-name=n"]]) {
      expect(flagsOf(argv).name).toBe("n");
    }
  });

  test("a switch needs no value, and takes one after an equals sign", () => {
    expect(flagsOf(["--pre-vote"]).config.preVote).toBe(true);
    expect(flagsOf(["--pre-vote=false"]).config.preVote).toBe(false);
    expect(flagsOf(["--unsafe-no-fsync"]).fsync).toBe(false);
  });

  test("reads by lease are asked for, and refused when the allowance leaves no lease", () => {
    expect(flagsOf([]).config.leaseReads).toBe(false);
    expect(flagsOf(["--lease-reads", "--lease-allowance-ticks=3"]).config).toMatchObject({
      leaseReads: true,
      leaseAllowanceTicks: 3,
    });
    expect(JSON.stringify(read(["--lease-reads", "--lease-allowance-ticks=10"]))).toContain(
      "leaseAllowanceTicks must be less than electionTicks (10), not 10",
    );
  });

  test("a variable stands in for a flag; an empty one counts as absent", () => {
    expect(flagsOf([], { ETCD_NAME: "env", ETCD_DATA_DIR: "" })).toMatchObject({
      name: "env",
      dataDirectory: "env.etcd",
    });
  });

  test("a flag beside its own variable is refused", () => {
    expect(read(["--name", "a"], { ETCD_NAME: "b" })).toEqual({
      kind: "refuse",
      error: expect.stringContaining(
        "conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))",
      ),
    });
  });

  test("an unknown ETCD_ variable only warns, and etcdctl's do not disturb", () => {
    const result = read([], { ETCD_WHATEVER: "1", ETCDCTL_API: "3" });
    expect(result.kind === "start" && result.warnings).toEqual(["unrecognized environment variable: ETCD_WHATEVER=1"]);
  });

  test("an unknown flag ends with 2 and the flag's name", () => {
    expect(read(["--no-such"])).toMatchObject({
      kind: "print",
      exitCode: 2,
      stderr: expect.stringMatching(/^flag provided but not defined: -no-such\n/),
    });
  });

  test("a value of the wrong form ends with 2", () => {
    for (const [flag, value] of [
      ["heartbeat-interval", "fast"],
      ["pre-vote", "maybe"],
      ["watch-progress-notify-interval", "10"],
      ["initial-cluster-state", "old"],
    ] as const) {
      expect(read([`--${flag}=${value}`])).toMatchObject({
        kind: "print",
        exitCode: 2,
        stderr: expect.stringContaining(`invalid value "${value}" for flag -${flag}`),
      });
    }
    expect(read(["--name"])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("flag needs an argument") });
  });

  test("a stray word ends with 1", () => {
    expect(read(["start"])).toMatchObject({ exitCode: 1, stderr: '"start" is not a valid flag\n' });
  });

  test("version and help are printed on standard output", () => {
    expect(read(["--version"])).toMatchObject({ exitCode: 0, stdout: "etcd Version: x\n" });
    expect(read(["-h"])).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("--initial-cluster ") });
  });
});

describe("meaning", () => {
  test("defaults are etcd's", () => {
    expect(flagsOf([])).toMatchObject({
      name: "default",
      dataDirectory: "default.etcd",
      listenClient: [{ host: "localhost", port: 2379 }],
      listenPeer: [{ host: "localhost", port: 2380 }],
      initialCluster: [{ name: "default", peerUrls: ["http://localhost:2380"] }],
      clusterToken: "etcd-cluster",
      clusterIsNew: true,
      backendCommitMs: 100,
      backendCommitWrites: 10_000,
      fsync: true,
      config: {
        tickMs: 100,
        electionTicks: 10,
        snapshotEntries: 10_000,
        preVote: true,
        requestBytesMax: 1_572_864,
        txnOperationsMax: 128,
        requestTimeoutMs: 7_000,
        quotaBytes: 2_147_483_648,
      },
    });
  });

  test("election ticks are the election timeout in heartbeats, and the request timeout follows it", () => {
    expect(flagsOf(["--heartbeat-interval", "20", "--election-timeout", "210"]).config).toMatchObject({
      tickMs: 20,
      electionTicks: 10,
      requestTimeoutMs: 5_420,
    });
  });

  test("a quota below 0 means none", () => {
    expect(flagsOf(["--quota-backend-bytes=-1"]).config.quotaBytes).toBe(-1);
    expect(flagsOf(["--quota-backend-bytes=4096"]).config.quotaBytes).toBe(4096);
  });

  test("without --initial-cluster the cluster is this member at its advertised URLs", () => {
    expect(flagsOf(["--name", "n", "--initial-advertise-peer-urls", "http://h:1,http://h:2"]).initialCluster).toEqual([
      { name: "n", peerUrls: ["http://h:1", "http://h:2"] },
    ]);
  });

  test("durations are Go's", () => {
    expect(durationMs("1h30m")).toBe(5_400_000);
    expect(durationMs("1.5s")).toBe(1_500);
    expect(durationMs("250us")).toBe(0.25);
    expect(durationMs("0")).toBe(0);
    expect(durationMs("10")).toBeUndefined();
    expect(durationMs("ten ms")).toBeUndefined();
  });
});

describe("refusals", () => {
  const refusal = (...argv: string[]): string => {
    const result = read(argv);
    return result.kind === "refuse" ? result.error : `not refused: ${JSON.stringify(result)}`;
  };

  test("client URLs to listen on need URLs to advertise", () => {
    expect(refusal("--listen-client-urls=http://127.0.0.1:1")).toBe(
      "--advertise-client-urls is required when --listen-client-urls is set explicitly",
    );
  });

  test("timing has rules", () => {
    expect(refusal("--heartbeat-interval=0")).toBe("--heartbeat-interval must be >0 (set to 0ms)");
    expect(refusal("--election-timeout=0")).toBe("--election-timeout must be >0 (set to 0ms)");
    expect(refusal("--election-timeout=499")).toBe(
      "--election-timeout[499ms] should be at least as 5 times as --heartbeat-interval[100ms]",
    );
    expect(refusal("--election-timeout=50001")).toBe(
      "--election-timeout[50001ms] is too long, and should be set less than 50000ms",
    );
  });

  test("URLs have a scheme, a host and a port, and nothing else", () => {
    expect(refusal("--listen-peer-urls=ftp://127.0.0.1:1")).toBe(
      "URL scheme must be http, https, unix, or unixs: ftp://127.0.0.1:1",
    );
    expect(refusal("--listen-peer-urls=http://127.0.0.1")).toBe(
      'URL address does not have the form "host:port": http://127.0.0.1',
    );
    expect(refusal("--listen-peer-urls=http://127.0.0.1:1/x")).toBe(
      "URL must not contain a path: http://127.0.0.1:1/x",
    );
    expect(refusal("--listen-peer-urls=unix://")).toBe("URL names no socket file: unix://");
    expect(refusal("--listen-peer-urls=")).toBe("no valid URLs given");
    expect(refusal("--listen-peer-urls=http://host:2379")).toBe("expected IP in URL for binding (http://host:2379)");
    expect(refusal("--advertise-client-urls=http://:2379")).toBe(
      '--advertise-client-urls "http://:2379" must be "host:port" (unexpected empty host (http://:2379))',
    );
  });

  test("what is known to etcd but not done here is refused, unless it asks for etcd's default", () => {
    expect(refusal("--memory-mlock")).toBe(
      "--memory-mlock=true is not supported by this member: this runtime cannot lock its memory; turn swap off on the machine",
    );
    expect(refusal("--discovery=http://d/1")).toBe(
      "--discovery=http://d/1 is not supported by this member: it would need a server of API v2; put the size into any etcd and give --discovery-token and --discovery-endpoints",
    );
    expect(read(["--auto-compaction-retention=0", "--strict-reconfig-check", "--memory-mlock=false"]).kind).toBe(
      "start",
    );
  });
});

describe("TLS", () => {
  const client = ["--listen-client-urls=https://127.0.0.1:1", "--advertise-client-urls=https://127.0.0.1:1"];
  const refusal = (...argv: string[]): string => {
    const result = read(argv);
    return result.kind === "refuse" ? result.error : `not refused: ${JSON.stringify(result)}`;
  };

  test("an https URL needs a certificate and a key, or one made by the member itself", () => {
    expect(refusal(...client)).toBe(
      "TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:1 with HTTPS scheme",
    );
    expect(refusal("--listen-peer-urls=https://127.0.0.1:2")).toContain(
      "cannot listen on TLS for 127.0.0.1:2: KeyFile and CertFile are not presented",
    );
    expect(flagsOf([...client, "--auto-tls"]).listenClient).toMatchObject([{ secure: true, port: 1 }]);
    expect(flagsOf([...client, "--cert-file=c", "--key-file=k"]).clientTls).toMatchObject({ certFile: "c" });
  });

  test("half a pair is refused", () => {
    expect(refusal("--cert-file=c")).toBe("KeyFile and CertFile must both be present[key: , cert: c]");
    expect(refusal("--peer-key-file=k")).toBe("KeyFile and CertFile must both be present[key: k, cert: ]");
  });

  test("an http URL beside certificates warns that they are not used", () => {
    const result = read(["--cert-file=c", "--key-file=k", "--client-cert-auth"]);
    expect(result.kind === "start" && result.warnings).toEqual([
      "scheme is HTTP while key and cert files are present; ignoring key and cert files (client-url http://localhost:2379)",
      "scheme is HTTP while --client-cert-auth is enabled; ignoring client cert auth for this URL (client-url http://localhost:2379)",
    ]);
  });

  test("versions and suites have rules", () => {
    expect(refusal("--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2")).toBe(
      "min version (TLS1.3) is greater than max version (TLS1.2)",
    );
    expect(refusal("--tls-min-version=TLS1.3", "--cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA")).toBe(
      "cipher suites cannot be configured when only TLS1.3 is enabled",
    );
    expect(refusal("--cipher-suites=TLS_NO_SUCH")).toBe('unexpected TLS cipher suite "TLS_NO_SUCH"');
    expect(refusal("--tls-min-version=TLS1.0")).toContain('unexpected TLS version "TLS1.0" for --tls-min-version');
    expect(flagsOf(["--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]).clientTls.ciphers).toBe(
      "ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
    );
  });

  test("common names and host names cannot be demanded together", () => {
    expect(refusal("--peer-cert-allowed-cn=a,b", "--peer-cert-allowed-hostname=h")).toBe(
      "AllowedCNs and AllowedHostnames are mutually exclusive (cns=[a b], hostnames=[h])",
    );
  });
});

describe("a first start", () => {
  const own = ["--name", "m1", "--initial-advertise-peer-urls", "http://h:1"];
  const problem = (cluster: string, ...more: string[]): string | undefined =>
    bootstrapProblem(flagsOf([...own, "--initial-cluster", cluster, ...more]));

  test("needs the own name in the list", () => {
    expect(problem("m2=http://h:2")).toBe(`couldn't find local name "m1" in the initial cluster configuration`);
  });

  test("needs every URL once", () => {
    expect(problem("m1=http://h:1,m2=http://h:1")).toBe(
      "initial cluster m1=http://h:1,m2=http://h:1 has duplicate url",
    );
  });

  test("needs the list and the advertised URLs to agree", () => {
    expect(problem("m1=http://h:9")).toBe(
      "--initial-cluster has http://h:9 but missing from --initial-advertise-peer-urls=http://h:1",
    );
    expect(
      bootstrapProblem(
        flagsOf([
          "--name=m1",
          "--initial-advertise-peer-urls=http://h:1,http://h:2",
          "--initial-cluster=m1=http://h:1",
        ]),
      ),
    ).toBe("--initial-advertise-peer-urls has http://h:2 but missing from --initial-cluster=m1=http://h:1");
  });

  test("needs a list that can be read", () => {
    expect(problem("m1=")).toBe('error setting up initial cluster: empty URL given for "m1"');
    expect(problem("m1=nonsense")).toBe(
      "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: nonsense",
    );
    expect(problem("")).toBe("initial cluster unset and no discovery URL found");
  });

  test("a good list has no problem", () => {
    expect(problem("m1=http://h:1,m2=http://h:2")).toBeUndefined();
  });
});

describe("identity", () => {
  test("ids are etcd's", () => {
    const single = memberIdFor(["http://127.0.0.1:24380"], "etcd-cluster");
    expect(hexOf(single)).toBe("b5179d13d0285315");
    expect(hexOf(clusterIdFor([single]))).toBe("534a021c215e0774");
    const first = memberIdFor(["http://127.0.0.1:23380"], "etcd-cluster");
    const second = memberIdFor(["http://127.0.0.1:23381"], "etcd-cluster");
    expect([first, second]).toEqual([7059799375513725458n, 6457751258351014977n]);
    expect(clusterIdFor([first, second])).toBe(11270658063120318877n);
    expect(clusterIdFor([second, first])).toBe(11270658063120318877n);
  });

  test("bootstrap members come in id order", () => {
    const members = bootstrapMembers(
      [
        { name: "a", peerUrls: ["http://127.0.0.1:23380"] },
        { name: "b", peerUrls: ["http://127.0.0.1:23381"] },
      ],
      "etcd-cluster",
    );
    expect(members.map((member) => member.memberId)).toEqual([6457751258351014977n, 7059799375513725458n]);
  });

  test("a directory of another member or cluster is told apart from outdated flags", () => {
    const cluster = [
      { name: "m1", peerUrls: ["http://h:1"] },
      { name: "m2", peerUrls: ["http://h:2"] },
    ];
    const members = bootstrapMembers(cluster, "token");
    const stored: StoredIdentity = {
      memberId: memberIdFor(["http://h:1"], "token"),
      clusterId: clusterIdFor(members.map((member) => member.memberId)),
      name: "m1",
      clusterToken: "token",
      members,
      contacts: [],
      incarnation: 1,
    };
    const given = { name: "m1", clusterToken: "token", cluster };
    expect(foreignDirectory(stored, given)).toBeUndefined();
    expect(foreignDirectory(stored, { ...given, name: "m2" })).toContain('the data directory belongs to member "m1"');
    expect(foreignDirectory(stored, { ...given, clusterToken: "other" })).toContain(
      'with token "token", not to a cluster with token "other"',
    );
    // Restored under a token of its own, while the member's flags have the old one still, as etcd lets them.
    expect(foreignDirectory({ ...stored, isRestored: true }, { ...given, clusterToken: "other" })).toBeUndefined();
    // Grown since, or renamed: the directory decides.
    const grown = [...cluster, { name: "m3", peerUrls: ["http://h:3"] }];
    expect(foreignDirectory(stored, { ...given, cluster: grown })).toBeUndefined();
    const renamed = [{ name: "new", peerUrls: ["http://h:1"] }];
    expect(foreignDirectory(stored, { ...given, name: "new", cluster: renamed })).toBeUndefined();
  });
});
