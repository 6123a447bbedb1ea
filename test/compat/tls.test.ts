/*
 * Members whose ports speak TLS, and etcd's own etcdctl 3.4 and curl as their clients: certificates on both sides, the
 * common name as user, renewal, and what is said when a certificate is wrong.
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync as read, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { Authority, type Pair } from "../kit/certificates.ts";
import {
  type CtlResult,
  etcdctl,
  type RealCluster,
  RealMember,
  startCluster,
  whyNoEtcdctl,
} from "../kit/real-members.ts";

const here = ["127.0.0.1", "localhost"];
const https = { client: "https", peer: "https" } as const;
const whyNot = whyNoEtcdctl();
const suite = whyNot === undefined ? describe : describe.skip;
const reason = whyNot === undefined ? "" : `: skipped, ${whyNot}`;

let directory: string;
let authority: Authority;
let stranger: Authority;
let server: Pair;
let root: Pair;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "faultline-tls-"));
  authority = await Authority.create(join(directory, "ours"));
  stranger = await Authority.create(join(directory, "theirs"), "Foreign Authority");
  server = await authority.issue("server", { commonName: "member", hosts: here });
  root = await authority.issue("root", { commonName: "root" });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const clientFlags = (pair: Pair): string[] => ["--cert-file", pair.certFile, "--key-file", pair.keyFile];
const mutual = (pair: Pair): string[] => [
  ...clientFlags(pair),
  "--client-cert-auth",
  "--trusted-ca-file",
  authority.caFile,
];
const peerFlags = (pair: Pair, ca: Authority = authority): string[] => [
  ...["--peer-cert-file", pair.certFile, "--peer-key-file", pair.keyFile],
  ...["--peer-client-cert-auth", "--peer-trusted-ca-file", ca.caFile],
];
const ctlAs = (endpoints: string, pair: Pair | undefined, args: readonly string[]): Promise<CtlResult> =>
  etcdctl(endpoints, [
    ...["--cacert", authority.caFile],
    ...(pair === undefined ? [] : ["--cert", pair.certFile, "--key", pair.keyFile]),
    ...args,
  ]);

interface Fetched {
  readonly status: number;
  readonly text: string;
}

/** The answer of stock curl, which offers HTTP/2 and HTTP/1.1. */
function curl(port: number, path: string, args: readonly string[]): Promise<Fetched> {
  const url = `https://localhost:${port}${path}`;
  return new Promise((resolve) => {
    execFile("curl", ["-sS", "-m", "5", "-w", "\n%{http_code}", ...args, url], (error, stdout, stderr) => {
      const lines = stdout.split("\n");
      const status = Number(lines.pop() ?? 0);
      resolve({ status, text: error === null ? lines.join("\n") : stderr });
    });
  });
}
const curlMissing = spawnSync("curl", ["--version"]).error !== undefined;
const asCurl = (pair: Pair): string[] => ["--cacert", authority.caFile, "--cert", pair.certFile, "--key", pair.keyFile];

suite(`three members with TLS on every port${reason}`, () => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await startCluster(
      3,
      [...mutual(server), ...peerFlags(server), "--peer-cert-allowed-cn", "member"],
      "ours",
      https,
    );
    await cluster.ready();
  });
  afterAll(() => cluster.close());
  const ctl = async (...args: string[]): Promise<string> => {
    const { stdout, stderr, exitCode } = await ctlAs(cluster.endpoints, root, args);
    expect([args, exitCode, stderr]).toEqual([args, 0, expect.any(String)]);
    return stdout;
  };

  test("elect a leader over certificates and serve etcdctl", async () => {
    expect(await ctl("put", "greeting", "hello")).toBe("OK\n");
    expect(await ctl("get", "greeting")).toBe("greeting\nhello\n");
    expect(await ctl("member", "list")).toContain("https://127.0.0.1:");
    const health = await ctlAs(cluster.endpoints, root, ["endpoint", "health"]);
    expect([health.exitCode, `${health.stdout}${health.stderr}`.split("is healthy").length]).toEqual([0, 4]);
  });

  test("another member leads when the leader ends, and the old one comes back", async () => {
    const status = await ctl("endpoint", "status", "-w", "json");
    const found = JSON.parse(status) as { Status: { header: { member_id: number }; leader: number } }[];
    const leader = found.findIndex(({ Status }) => Status.leader === Status.header.member_id);
    const other = cluster.endpoints.split(",").find((_endpoint, position) => position !== leader) ?? "";
    await ctl("put", "before", "1");
    await cluster.members[leader]?.end("SIGTERM");
    const { exitCode, stderr } = await ctlAs(other, root, ["put", "after", "2"]);
    expect([exitCode, stderr]).toEqual([0, ""]);
    cluster.members[leader]?.start();
    await cluster.members[leader]?.logged("serving client traffic securely", 2);
    expect((await ctlAs(cluster.endpoints, root, ["get", "after"])).stdout).toBe("after\n2\n");
  });

  test("health, version, metrics and JSON are served on the same port over TLS", { skip: curlMissing }, async () => {
    const port = cluster.clientPorts[0] ?? 0;
    expect(await curl(port, "/health", asCurl(root))).toEqual({ status: 200, text: '{"health":"true","reason":""}' });
    expect((await curl(port, "/version", asCurl(root))).text).toContain('"etcdserver":');
    expect((await curl(port, "/metrics", asCurl(root))).text).toContain("etcd_server_has_leader 1");
    const body = ["-d", JSON.stringify({ key: Buffer.from("greeting").toString("base64") })];
    const range = await curl(port, "/v3/kv/range", [...asCurl(root), ...body]);
    expect([range.status, JSON.parse(range.text)]).toMatchObject([
      200,
      { kvs: [{ value: Buffer.from("hello").toString("base64") }] },
    ]);
  });

  test("a watch over a WebSocket works inside TLS", async () => {
    const line = await webSocketAnswer(cluster.clientPorts[0] ?? 0, '{"create_request":{"key":"YQ=="}}');
    expect(JSON.parse(line)).toMatchObject({ result: { created: true } });
  });

  test("a client without a certificate, or with one of another authority, is turned away with a reason", async () => {
    const first = cluster.endpoints.split(",")[0] ?? "";
    const foreign = await stranger.issue("root", { commonName: "root" });
    for (const pair of [undefined, foreign]) {
      const { exitCode, stdout } = await ctlAs(first, pair, ["get", "greeting", "--command-timeout", "1s"]);
      expect([exitCode, stdout]).toEqual([1, ""]);
    }
    await cluster.members[0]?.logged("tls: client didn't provide a certificate");
    await cluster.members[0]?.logged('of \\"O=Test, CN=root\\": certificate signed by unknown authority');
  });

  test("a certificate past its time is turned away, and the log says so", async () => {
    const old = await authority.issue("old", { commonName: "root", notAfter: new Date(Date.now() - 3_600_000) });
    const { exitCode } = await ctlAs(cluster.endpoints.split(",")[0] ?? "", old, ["get", "a", "--command-timeout=1s"]);
    expect(exitCode).toBe(1);
    await cluster.members[0]?.logged("certificate has expired or is not yet valid");
  });

  test("plain text on a port with TLS gets no answer", async () => {
    const answer = await fetch(`http://127.0.0.1:${cluster.clientPorts[0]}/health`).then(
      ({ status }) => status,
      () => "none",
    );
    expect(answer).toBe("none");
  });

  /** Sends one message over a WebSocket and takes the first that comes back. */
  function webSocketAnswer(port: number, message: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const upgrade = request({
        ...{ host: "127.0.0.1", port, path: "/v3/watch", ...materialOf(root) },
        headers: {
          connection: "Upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": Buffer.alloc(16).toString("base64"),
        },
      });
      upgrade.on("upgrade", (_response, socket) => {
        const text = Buffer.from(message);
        // One masked text frame; a mask of zeros changes nothing.
        socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
        let frame = Buffer.alloc(0);
        socket.on("data", (piece: Buffer) => {
          frame = Buffer.concat([frame, piece]);
          if (frame.length < 4) return;
          const [, short = 0] = frame;
          const head = short === 126 ? 4 : 2;
          const end = head + (short === 126 ? frame.readUInt16BE(2) : short);
          if (frame.length < end) return;
          socket.destroy();
          resolve(frame.subarray(head, end).toString());
        });
      });
      upgrade.on("response", ({ statusCode }) => reject(new Error(`no upgrade: ${statusCode}`)));
      upgrade.on("error", reject);
      upgrade.end();
    });
  }
});

/** For connections of this process. */
function materialOf(pair: Pair): { ca: Buffer; cert: Buffer; key: Buffer } {
  return { ca: read(authority.caFile), cert: read(pair.certFile), key: read(pair.keyFile) };
}

suite(`the common name as user${reason}`, () => {
  let cluster: RealCluster;
  let alice: Pair;
  beforeAll(async () => {
    alice = await authority.issue("alice", { commonName: "alice" });
    cluster = await startCluster(1, [...mutual(server), "--bcrypt-cost", "4"], "ours", {
      client: "https",
      peer: "http",
    });
    await cluster.ready();
    for (const args of [
      ["user", "add", "root", "--no-password"],
      ["role", "add", "root"],
      ["user", "grant-role", "root", "root"],
      ["user", "add", "alice", "--no-password"],
      ["user", "add", "bob:secret"],
      ["role", "add", "reader"],
      ["role", "grant-permission", "reader", "read", "shared"],
      ["user", "grant-role", "alice", "reader"],
      ["user", "grant-role", "bob", "reader"],
      ["put", "shared", "1"],
      ["auth", "enable"],
    ]) {
      const { exitCode, stderr } = await ctlAs(cluster.endpoints, root, args);
      expect([args, exitCode, stderr]).toEqual([args, 0, ""]);
    }
  });
  afterAll(() => cluster.close());
  const last = async (pair: Pair, ...args: string[]): Promise<string> => {
    const { stdout, stderr, exitCode } = await ctlAs(cluster.endpoints, pair, args);
    return exitCode === 0 ? stdout : (stderr.trim().split("\n").at(-1) ?? "");
  };

  test("rights are those of the certificate's user", async () => {
    expect(await last(alice, "get", "shared")).toBe("shared\n1\n");
    expect(await last(alice, "put", "shared", "2")).toBe("Error: etcdserver: permission denied");
    expect(await last(alice, "user", "list")).toBe("Error: etcdserver: permission denied");
    expect(await last(root, "put", "shared", "2")).toBe("OK\n");
  });

  test("a certificate without a common name, or of nobody, has no rights", async () => {
    const nameless = await authority.issue("nameless");
    expect(await last(nameless, "get", "shared")).toBe("Error: etcdserver: user name is empty");
    const nobody = await authority.issue("nobody", { commonName: "nobody" });
    expect(await last(nobody, "get", "shared")).toBe("Error: etcdserver: permission denied");
  });

  test("a token counts before the certificate", async () => {
    expect(await last(root, "--user=bob:secret", "put", "shared", "3")).toBe("Error: etcdserver: permission denied");
  });

  test("the JSON gateway refuses a certificate with a common name, and takes a token with one without", {
    skip: curlMissing,
  }, async () => {
    const port = cluster.clientPorts[0] ?? 0;
    const body = ["-d", JSON.stringify({ key: Buffer.from("shared").toString("base64") })];
    expect(await curl(port, "/v3/kv/range", [...asCurl(alice), ...body])).toEqual({
      status: 400,
      text: "CommonName of client sending a request against gateway will be ignored and not used as expected\n",
    });
    // Health asks for nobody's rights.
    expect((await curl(port, "/health", asCurl(alice))).status).toBe(200);
    const nameless = await authority.issue("nameless");
    const login = ["-d", JSON.stringify({ name: "bob", password: "secret" })];
    const session = await curl(port, "/v3/auth/authenticate", [...asCurl(nameless), ...login]);
    const { token } = JSON.parse(session.text) as { token: string };
    const answer = await curl(port, "/v3/kv/range", [...asCurl(nameless), ...body, "-H", `Authorization: ${token}`]);
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([200, { count: "1" }]);
  });
});

test("without --client-cert-auth a certificate names nobody, to gRPC and to JSON alike", {
  skip: curlMissing || whyNot !== undefined,
}, async () => {
  const only = [...clientFlags(server), "--trusted-ca-file", authority.caFile, "--bcrypt-cost", "4"];
  const cluster = await startCluster(1, only, "ours", { client: "https", peer: "http" });
  try {
    await cluster.ready();
    for (const args of [
      ["user", "add", "root:secret"],
      ["role", "add", "root"],
      ["user", "grant-role", "root", "root"],
      ["auth", "enable"],
    ]) {
      expect([args, (await ctlAs(cluster.endpoints, root, args)).exitCode]).toEqual([args, 0]);
    }
    const { stderr } = await ctlAs(cluster.endpoints, root, ["get", "a"]);
    expect(stderr).toContain("Error: etcdserver: user name is empty");
    const port = cluster.clientPorts[0] ?? 0;
    const login = ["-d", JSON.stringify({ name: "root", password: "secret" })];
    const session = await curl(port, "/v3/auth/authenticate", [...asCurl(root), ...login]);
    expect([session.status, JSON.parse(session.text)]).toMatchObject([200, { token: expect.any(String) }]);
  } finally {
    await cluster.close();
  }
});

describe("certificates in files", () => {
  /** A member alone that is expected to end by itself, and its log. */
  async function refusedStart(args: readonly string[]): Promise<string> {
    const [client = 0, peer = 0] = await freePorts(2);
    const member = new RealMember({
      name: "m1",
      logFile: join(directory, "refused.log"),
      args: [
        ...["--data-dir", join(directory, "refused"), "--listen-client-urls", `https://127.0.0.1:${client}`],
        ...["--advertise-client-urls", `https://127.0.0.1:${client}`, "--listen-peer-urls", `http://127.0.0.1:${peer}`],
        ...args,
      ],
    });
    member.start();
    const { exitCode } = await member.ended();
    expect(exitCode).toBe(1);
    return member.log;
  }

  test("a missing key file, a key of another certificate and a file without PEM end the start by name", async () => {
    const missing = join(directory, "absent-key.pem");
    expect(await refusedStart(["--cert-file", server.certFile, "--key-file", missing])).toContain(
      `open ${missing}: no such file or directory`,
    );
    expect(await refusedStart(["--cert-file", server.certFile, "--key-file", root.keyFile])).toContain(
      `the key in ${root.keyFile} does not belong to the certificate in ${server.certFile}`,
    );
    const junk = join(directory, "junk.pem");
    writeFileSync(junk, "nothing");
    expect(await refusedStart([...clientFlags(server), "--trusted-ca-file", junk])).toContain(
      `${junk} holds no certificate in PEM form`,
    );
  });

  test("a renewed certificate serves new connections; old ones go on; a broken one changes nothing", async () => {
    const renewed = await authority.issue("renewed", { commonName: "first", hosts: here });
    const cluster = await startCluster(1, clientFlags(renewed), "ours", { client: "https", peer: "http" });
    try {
      await cluster.ready();
      const port = cluster.clientPorts[0] ?? 0;
      const old = await open(port);
      expect(old.getPeerCertificate().subject.CN).toBe("first");
      await authority.issue("renewed", { commonName: "second", hosts: here });
      const fresh = await open(port);
      expect(fresh.getPeerCertificate().subject.CN).toBe("second");
      old.write("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n");
      const answer = await new Promise<string>((resolve) =>
        old.once("data", (piece: Buffer) => resolve(String(piece))),
      );
      expect(answer).toContain("200 OK");
      writeFileSync(renewed.keyFile, "half written");
      const after = await open(port);
      expect(after.getPeerCertificate().subject.CN).toBe("second");
      expect(cluster.members[0]?.log).toContain(`${renewed.keyFile} holds no key in PEM form`);
      for (const socket of [old, fresh, after]) socket.destroy();
    } finally {
      await cluster.close();
    }
  });

  function open(port: number): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", ca: read(authority.caFile), ALPNProtocols: ["http/1.1"] });
      socket.once("secureConnect", () => resolve(socket));
      socket.once("error", reject);
    });
  }

  test("an own certificate past its time is shown with a warning that names its file", async () => {
    const old = await authority.issue("own-old", { hosts: here, notAfter: new Date(Date.now() - 3_600_000) });
    const cluster = await startCluster(1, clientFlags(old), "ours", { client: "https", peer: "http" });
    try {
      await cluster.ready();
      expect(cluster.members[0]?.log).toContain(`"file":"${old.certFile}"`);
      expect(cluster.members[0]?.log).toContain("the certificate has expired");
    } finally {
      await cluster.close();
    }
  });

  test("members of different authorities do not become a cluster, and both logs say why", async () => {
    const foreign = await stranger.issue("peer", { commonName: "member", hosts: here });
    const ports = await freePorts(4);
    const urls = ports.map((port) => `https://127.0.0.1:${port}`);
    const members = [0, 1].map(
      (position) =>
        new RealMember({
          name: `d${position}`,
          logFile: join(directory, `d${position}.log`),
          args: [
            ...["--name", `d${position}`, "--data-dir", join(directory, `d${position}`)],
            ...["--listen-client-urls", (urls[position] ?? "").replace("https", "http")],
            ...["--advertise-client-urls", (urls[position] ?? "").replace("https", "http")],
            ...["--listen-peer-urls", urls[position + 2] ?? "", "--initial-cluster", `d0=${urls[2]},d1=${urls[3]}`],
            ...["--initial-advertise-peer-urls", urls[position + 2] ?? ""],
            ...(position === 0 ? peerFlags(server) : peerFlags(foreign, stranger)),
          ],
        }),
    );
    try {
      for (const member of members) member.start();
      await Promise.all(members.map((member) => member.logged("cannot connect to remote peer")));
      for (const member of members) {
        expect(member.log).toContain("certificate signed by unknown authority (trusted: ");
        expect(member.log).not.toContain("elected leader");
      }
    } finally {
      await Promise.all(members.map((member) => member.close()));
    }
  });

  test("--auto-tls and --peer-auto-tls make a cluster without any file, and keep what they made", async () => {
    const cluster = await startCluster(3, ["--auto-tls", "--peer-auto-tls"], "ours", https);
    try {
      await cluster.ready();
      const own = join(cluster.directory, "m1", "fixtures", "client", "cert.pem");
      const first = read(own);
      const socket = await new Promise<TLSSocket>((resolve, reject) => {
        const opened = connect({ port: cluster.clientPorts[0] ?? 0, host: "127.0.0.1", ca: first }, () =>
          resolve(opened),
        );
        opened.once("error", reject);
      });
      expect(socket.authorized).toBe(true);
      socket.destroy();
      await cluster.members[0]?.end("SIGTERM");
      cluster.members[0]?.start();
      await cluster.members[0]?.logged("serving client traffic securely", 2);
      expect(read(own)).toEqual(first);
    } finally {
      await cluster.close();
    }
  });
});
