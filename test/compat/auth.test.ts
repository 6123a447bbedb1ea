/*
 * Users, roles and tokens as stock clients use them: etcd's own etcdctl 3.4, npm etcd3, and plain HTTP.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Etcd3, EtcdAuthenticationFailedError, EtcdPermissionDeniedError } from "etcd3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { etcdctl, type RealCluster, startCluster, whyNoEtcdctl } from "../kit/real-members.ts";

/** Cheap hashes: these passwords guard nothing. */
const cheap = ["--bcrypt-cost", "4"];
const whyNot = whyNoEtcdctl();
const suite = whyNot === undefined ? describe : describe.skip;

/** Standard output, or what came last on standard error. */
async function ctl(cluster: RealCluster, args: readonly string[], input?: string): Promise<string> {
  const { stdout, stderr, exitCode } = await etcdctl(cluster.endpoints, args, input === undefined ? {} : { input });
  return exitCode === 0 ? stdout : (stderr.trim().split("\n").at(-1) ?? "");
}

suite(`etcdctl 3.4${whyNot === undefined ? "" : `: skipped, ${whyNot}`}`, () => {
  let cluster: RealCluster;
  const run = (...args: readonly string[]): Promise<string> => ctl(cluster, args);
  const root = (...args: readonly string[]): Promise<string> => ctl(cluster, ["--user", "root:rpw", ...args]);
  const user = (...args: readonly string[]): Promise<string> => ctl(cluster, ["--user", "u:upw", ...args]);

  beforeAll(async () => {
    cluster = await startCluster(3, cheap);
    await cluster.ready();
  });
  afterAll(() => cluster.close());

  test("with auth off anybody may make users and roles", async () => {
    expect(await run("user", "add", "root:rpw")).toBe("User root created\n");
    expect(await run("user", "add", "u:upw")).toBe("User u created\n");
    expect(await run("user", "add", "free", "--no-password")).toBe("User free created\n");
    expect(await run("user", "add", "u:again")).toBe("Error: etcdserver: user name already exists");
    expect(await run("user", "list")).toBe("free\nroot\nu\n");
    expect(await run("role", "add", "r")).toBe("Role r created\n");
    expect(await run("role", "add", "r")).toBe("Error: etcdserver: role name already exists");
    expect(await run("role", "grant-permission", "r", "readwrite", "foo")).toBe("Role r updated\n");
    expect(await run("role", "grant-permission", "r", "read", "pre", "--prefix")).toBe("Role r updated\n");
    expect(await run("role", "grant-permission", "r", "WRITE", "zz", "--from-key")).toBe("Role r updated\n");
    expect(await run("role", "grant-permission", "nobody", "read", "a")).toBe("Error: etcdserver: role name not found");
    expect(await run("role", "get", "r")).toBe(
      "Role r\nKV Read:\n\tfoo\n\t[pre, prf) (prefix pre)\nKV Write:\n\tfoo\n\t[zz, <open ended>\n",
    );
    expect(await run("role", "list")).toBe("r\n");
    expect(await run("user", "grant-role", "u", "r")).toBe("Role r is granted to user u\n");
    expect(await run("user", "grant-role", "nobody", "r")).toBe("Error: etcdserver: user name not found");
    expect(await run("user", "get", "u")).toBe("User: u\nRoles: r\n");
    expect(await run("user", "get", "u", "--detail")).toContain("User: u\n\nRole r\nKV Read:\n\tfoo\n");
    expect(await run("auth", "disable")).toBe("Authentication Disabled\n");
  });

  test("enabling grants root its role, and from then on nobody passes without a user", async () => {
    expect(await run("auth", "enable")).toBe("Authentication Enabled\n");
    expect(await run("auth", "enable")).toBe("Error: etcdserver: user name is empty");
    expect(await run("put", "foo", "bar")).toBe("Error: etcdserver: user name is empty");
    expect(await run("get", "foo")).toBe("Error: etcdserver: user name is empty");
    expect(await ctl(cluster, ["--user", "u:wrong", "get", "foo"])).toBe(
      "Error: etcdserver: authentication failed, invalid user ID or password",
    );
    expect(await ctl(cluster, ["--user", "nobody:x", "get", "foo"])).toBe(
      "Error: etcdserver: authentication failed, invalid user ID or password",
    );
    expect(await ctl(cluster, ["--user", "free:x", "get", "foo"])).toContain(
      "auth: authentication failed, password was given for no password user",
    );
  });

  test("a user may what its roles say", async () => {
    const denied = "Error: etcdserver: permission denied";
    expect(await user("put", "foo", "bar")).toBe("OK\n");
    expect(await user("put", "foo", "baz", "--prev-kv")).toBe("OK\nfoo\nbar\n");
    expect(await user("get", "foo")).toBe("foo\nbaz\n");
    expect(await user("get", "foo", "pre")).toBe(denied);
    expect(await user("get", "pre", "--prefix")).toBe("");
    expect(await user("get", "pr", "--prefix")).toBe(denied);
    expect(await user("put", "pre/1", "x")).toBe(denied);
    expect(await user("put", "zzz", "x")).toBe("OK\n");
    expect(await user("put", "zzz", "x", "--prev-kv")).toBe(denied);
    expect(await user("del", "zz", "--from-key", "--prev-kv")).toBe(denied);
    expect(await user("del", "zz", "--from-key")).toBe("1\n");
    expect(await user("get", "", "--prefix")).toBe(denied);
    expect(await user("user", "get", "u")).toBe("User: u\nRoles: r\n");
    expect(await user("user", "get", "root")).toBe(denied);
    expect(await user("role", "get", "r")).toContain("Role r\n");
    expect(await user("user", "list")).toBe(denied);
    expect(await user("compact", "1")).toBe(denied);
    expect(await user("member", "list")).toContain("started, m1, ");
    const one = `127.0.0.1:${cluster.clientPorts[0]}`;
    const saved = await etcdctl(one, ["--user", "u:upw", "snapshot", "save", join(cluster.directory, "denied.db")]);
    expect([saved.exitCode, saved.stderr]).toEqual([5, expect.stringContaining(denied)]);
    expect(await root("put", "anything", "x")).toBe("OK\n");
    expect(await ctl(cluster, ["--user", "u:upw", "txn"], 'value("foo") = "baz"\n\nput foo 1\n\nput x 2\n\n')).toBe(
      denied,
    );
  });

  test("a lock is taken in the name of its caller", async () => {
    expect(await user("lock", "foo", "echo", "held")).toBe("Error: etcdserver: permission denied");
    expect(await root("lock", "foo", "echo", "held")).toBe("held\n");
  });

  test("a member that restarts knows users, roles and the switch", async () => {
    const [member] = cluster.members;
    await member?.end("SIGTERM");
    member?.start();
    await member?.logged("serving client traffic insecurely", 2);
    const alone = `127.0.0.1:${cluster.clientPorts[0]}`;
    expect((await etcdctl(alone, ["get", "foo"])).stderr).toContain("user name is empty");
    expect((await etcdctl(alone, ["--user", "u:upw", "get", "foo"])).stdout).toBe("foo\nbaz\n");
    expect((await etcdctl(alone, ["--user", "u:upw", "put", "bar", "x"])).stderr).toContain("permission denied");
  });

  test("operators change and remove what is there; root itself stays", async () => {
    expect(await root("role", "revoke-permission", "r", "pre", "--prefix")).toBe(
      "Permission of range [pre, prf) is revoked from role r\n",
    );
    expect(await root("role", "revoke-permission", "r", "foo")).toBe("Permission of key foo is revoked from role r\n");
    expect(await root("role", "revoke-permission", "r", "zz", "--from-key")).toBe(
      "Permission of range [zz, <open ended> is revoked from role r\n",
    );
    expect(await root("role", "revoke-permission", "r", "zz")).toBe(
      "Error: etcdserver: permission is not granted to the role",
    );
    expect(await user("get", "foo")).toBe("Error: etcdserver: permission denied");
    expect(await root("user", "delete", "root")).toBe("Error: etcdserver: invalid auth management");
    expect(await root("user", "revoke-role", "root", "root")).toBe("Error: etcdserver: invalid auth management");
    expect(await root("role", "delete", "root")).toBe("Error: etcdserver: invalid auth management");
    expect(await root("user", "revoke-role", "u", "r")).toBe("Role r is revoked from user u\n");
    expect(await root("user", "revoke-role", "u", "r")).toBe("Error: etcdserver: role is not granted to the user");
    expect(await root("role", "delete", "r")).toBe("Role r deleted\n");
    expect(await ctl(cluster, ["--user", "root:rpw", "user", "passwd", "u", "--interactive=false"], "new\n")).toBe(
      "Password updated\n",
    );
    expect(await user("get", "foo")).toBe("Error: etcdserver: authentication failed, invalid user ID or password");
    expect(await ctl(cluster, ["--user", "u:new", "user", "get", "u"])).toBe("User: u\nRoles:\n");
    expect(await root("user", "delete", "u")).toBe("User u deleted\n");
    expect(await root("auth", "disable")).toBe("Authentication Disabled\n");
    expect(await run("get", "foo")).toBe("foo\nbaz\n");
  });
});

describe("npm etcd3 and plain HTTP", () => {
  let cluster: RealCluster;
  let hosts: string[];
  const opened: Etcd3[] = [];
  const clientOf = (username: string, password: string): Etcd3 => {
    const client = new Etcd3({ hosts, auth: { username, password } });
    opened.push(client);
    return client;
  };

  beforeAll(async () => {
    cluster = await startCluster(3, cheap);
    await cluster.ready();
    hosts = cluster.clientPorts.map((port) => `http://127.0.0.1:${port}`);
    const client = new Etcd3({ hosts });
    opened.push(client);
    await client.role("root").create();
    await client.user("root").create("rpw");
    await client.user("root").addRole("root");
    await client.role("r").create();
    await client.role("r").grant({ permission: "Readwrite", range: client.range({ prefix: "app/" }) });
    await client.user("u").create("upw");
    await client.user("u").addRole("r");
    await client.auth.authEnable();
  });
  afterAll(async () => {
    for (const client of opened) client.close();
    await cluster.close();
  });

  test("a client authenticates by itself, and may what its role says", async () => {
    const client = clientOf("u", "upw");
    await client.put("app/1").value("one");
    expect(await client.get("app/1").string()).toBe("one");
    await expect(client.get("other").string()).rejects.toBeInstanceOf(EtcdPermissionDeniedError);
    const lease = client.lease(10);
    await lease.put("app/leased").value("x");
    expect(await client.get("app/leased").string()).toBe("x");
    await lease.revoke();
    const watcher = await client.watch().prefix("app/").create();
    const seen = new Promise<string>((resolve) => watcher.on("put", ({ value }) => resolve(value.toString())));
    await client.put("app/2").value("two");
    expect(await seen).toBe("two");
    await watcher.cancel();
  });

  test("a wrong password is refused", async () => {
    await expect(clientOf("u", "wrong").get("app/1").string()).rejects.toBeInstanceOf(EtcdAuthenticationFailedError);
  });

  test("roles and users are read back", async () => {
    const client = clientOf("root", "rpw");
    expect((await client.getRoles()).map(({ name }) => name)).toEqual(["r", "root"]);
    expect((await client.getUsers()).map(({ name }) => name)).toEqual(["root", "u"]);
    expect((await client.user("u").roles()).map(({ name }) => name)).toEqual(["r"]);
    const [granted] = await client.role("r").permissions();
    expect(granted?.permission).toBe("Readwrite");
  });

  test("the JSON gateway takes the token as a header; the health page needs none", async () => {
    const post = async (path: string, body: unknown, token?: string): Promise<{ status: number; text: string }> => {
      const headers = { "content-type": "application/json", ...(token === undefined ? {} : { authorization: token }) };
      const response = await fetch(`${hosts[0]}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
      return { status: response.status, text: await response.text() };
    };
    const range = { key: Buffer.from("app/1").toString("base64") };
    const anonymous = await post("/v3/kv/range", range);
    expect([anonymous.status, anonymous.text]).toEqual([400, expect.stringContaining("user name is empty")]);
    const login = await post("/v3/auth/authenticate", { name: "u", password: "upw" });
    const { token } = JSON.parse(login.text) as { token: string };
    expect(token).toMatch(/^[a-zA-Z]{16}\.\d+$/);
    expect((await post("/v3/kv/range", range, token)).text).toContain(Buffer.from("one").toString("base64"));
    expect((await post("/v3/kv/range", range, `Bearer ${token}`)).status).toBe(200);
    const bad = await post("/v3/kv/range", range, "nonsense");
    expect([bad.status, bad.text]).toEqual([401, expect.stringContaining("invalid auth token")]);
    expect((await fetch(`${hosts[0]}/health`)).status).toBe(200);
  });
});

suite(`signed tokens${whyNot === undefined ? "" : `: skipped, ${whyNot}`}`, () => {
  let directory: string;
  let cluster: RealCluster;
  const run = (...args: readonly string[]): Promise<string> => ctl(cluster, args);

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "faultline-keys-"));
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(join(directory, "public.pem"), publicKey.export({ type: "spki", format: "pem" }));
    writeFileSync(join(directory, "private.pem"), privateKey.export({ type: "pkcs1", format: "pem" }));
    const files = `pub-key=${join(directory, "public.pem")},priv-key=${join(directory, "private.pem")}`;
    cluster = await startCluster(1, [...cheap, "--auth-token", `jwt,sign-method=RS256,${files},ttl=10m`]);
    await cluster.ready();
    for (const args of [
      ["user", "add", "root:rpw"],
      ["user", "add", "u:upw"],
      ["role", "add", "r"],
      ["role", "grant-permission", "r", "readwrite", "k"],
      ["user", "grant-role", "u", "r"],
      ["auth", "enable"],
    ]) {
      await run(...args);
    }
  });
  afterAll(async () => {
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test("serve etcdctl, survive a restart, and are as old as their issue", async () => {
    expect(await run("--user", "u:upw", "put", "k", "v")).toBe("OK\n");
    expect(await run("--user", "u:upw", "put", "other", "v")).toBe("Error: etcdserver: permission denied");
    const url = `http://127.0.0.1:${cluster.clientPorts[0]}`;
    const login = await fetch(`${url}/v3/auth/authenticate`, { method: "POST", body: '{"name":"u","password":"upw"}' });
    const { token } = (await login.json()) as { token: string };
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as object;
    expect(claims).toEqual({ username: "u", revision: 8, exp: expect.any(Number) });
    const read = async (shown: string): Promise<string> => {
      const body = JSON.stringify({ key: Buffer.from("k").toString("base64") });
      const response = await fetch(`${url}/v3/kv/range`, { method: "POST", headers: { authorization: shown }, body });
      return `${response.status} ${await response.text()}`;
    };
    expect(await read(token)).toContain('200 {"header"');
    expect(await read(`${token}x`)).toContain("invalid auth token");
    const [member] = cluster.members;
    await member?.end("SIGTERM");
    member?.start();
    await member?.logged("serving client traffic insecurely", 2);
    expect(await read(token)).toContain('200 {"header"');
    expect(await run("--user", "root:rpw", "role", "add", "later")).toBe("Role later created\n");
    expect(await read(token)).toContain("revision of auth store is old");
  });
});
