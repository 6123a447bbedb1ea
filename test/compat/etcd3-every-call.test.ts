/*
 * Every call of the npm client etcd3, made once of a member of ours and once of stock etcd 3.4: field by field the same
 * answer or the same error, save ids, terms, sizes and hashes of what holds ids. The last test holds what was called
 * against the client's own classes, so that no call is forgotten; calls that etcd 3.4 does not know yet are ours alone.
 */
import { type AuthClient, type ClusterClient, Etcd3, type IDuplexStream, type IResponseStream } from "etcd3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stockEtcd, whyNoStockEtcd } from "../chaos/stock-etcd.ts";
import { type RealCluster, startCluster } from "../kit/real-members.ts";

const suite = whyNoStockEtcd === undefined ? describe : describe.skip;

type Answer = unknown;
/** One call; `known` holds ids that earlier calls brought. */
type Call = readonly [what: string, make: (client: Etcd3, known: Map<string, string>) => Promise<Answer>];

const url = "http://127.0.0.1:9";
const bytes = (text: string): Buffer => Buffer.from(text);

const keys: readonly Call[] = [
  ["put", ({ kv }) => kv.put({ key: bytes("k"), value: bytes("1") })],
  ["put with previous", ({ kv }) => kv.put({ key: bytes("k"), value: bytes("2"), prev_kv: true })],
  ["put keeping a value", ({ kv }) => kv.put({ key: bytes("none"), ignore_value: true })],
  ["put for a lease that is not there", ({ kv }) => kv.put({ key: bytes("k"), value: bytes("3"), lease: "77" })],
  ["range", ({ kv }) => kv.range({ key: bytes("k") })],
  ["range of the past", ({ kv }) => kv.range({ key: bytes("k"), revision: "2" })],
  ["range of the future", ({ kv }) => kv.range({ key: bytes("k"), revision: "1000" })],
  ["range without key", ({ kv }) => kv.range({ key: bytes("") })],
  [
    "range of all, sorted",
    ({ kv }) => kv.range({ key: bytes("\0"), range_end: bytes("\0"), sort_order: "Descend", limit: 1 }),
  ],
  [
    "transaction",
    ({ kv }) =>
      kv.txn({
        compare: [{ key: bytes("k"), target: "Version", result: "Equal", version: "2" }],
        success: [{ request_put: { key: bytes("k"), value: bytes("4") } }, { request_range: { key: bytes("k") } }],
        failure: [],
      }),
  ],
  [
    "transaction with one key twice",
    ({ kv }) =>
      kv.txn({
        compare: [],
        success: [
          { request_put: { key: bytes("k"), value: bytes("4") } },
          { request_put: { key: bytes("k"), value: bytes("4") } },
        ],
        failure: [],
      }),
  ],
  ["delete", ({ kv }) => kv.deleteRange({ key: bytes("k"), prev_kv: true })],
  ["compact", ({ kv }) => kv.compact({ revision: "3", physical: true })],
  ["compact again", ({ kv }) => kv.compact({ revision: "3" })],
  ["range of what is compacted", ({ kv }) => kv.range({ key: bytes("k"), revision: "2" })],
];

const leases: readonly Call[] = [
  ["grant", ({ leaseClient }) => leaseClient.leaseGrant({ ID: "4242", TTL: "100" })],
  ["grant again", ({ leaseClient }) => leaseClient.leaseGrant({ ID: "4242", TTL: "100" })],
  ["grant for ages", ({ leaseClient }) => leaseClient.leaseGrant({ TTL: "9000000001" })],
  ["attach", ({ kv }) => kv.put({ key: bytes("leased"), value: bytes("1"), lease: "4242" })],
  ["time to live", ({ leaseClient }) => leaseClient.leaseTimeToLive({ ID: "4242", keys: true })],
  ["time to live of none", ({ leaseClient }) => leaseClient.leaseTimeToLive({ ID: "4243" })],
  ["list", ({ leaseClient }) => leaseClient.leaseLeases()],
  [
    "keep alive, one that is there and one that is not",
    async ({ leaseClient }) => exchange(await leaseClient.leaseKeepAlive(), [{ ID: "4242" }, { ID: "4243" }], 2),
  ],
  ["revoke", ({ leaseClient }) => leaseClient.leaseRevoke({ ID: "4242" })],
  ["revoke again", ({ leaseClient }) => leaseClient.leaseRevoke({ ID: "4242" })],
];

const watches: readonly Call[] = [
  ["history", ({ kv }) => kv.put({ key: bytes("w"), value: bytes("1") })],
  [
    "create, create under that id again, cancel",
    async ({ watchClient }) =>
      exchange(
        await watchClient.watch(),
        [
          { create_request: { key: bytes("w"), watch_id: "5", prev_kv: true } },
          { create_request: { key: bytes("w"), watch_id: "5" } },
          { cancel_request: { watch_id: "5" } },
        ],
        3,
      ),
  ],
  [
    "create for the past",
    async ({ watchClient }) =>
      exchange(
        await watchClient.watch(),
        [{ create_request: { key: bytes("w"), start_revision: "6", prev_kv: true } }],
        2,
      ),
  ],
  [
    "create for what is compacted",
    async ({ watchClient }) =>
      exchange(await watchClient.watch(), [{ create_request: { key: bytes("w"), start_revision: "1" } }], 2),
  ],
];

const members: readonly Call[] = [
  [
    "list",
    async ({ cluster }, known) => {
      const list = await cluster.memberList({});
      known.set("self", list.members[0]?.ID ?? "");
      return list;
    },
  ],
  [
    "add a learner",
    async ({ cluster }, known) => {
      const added = await cluster.memberAdd({ peerURLs: [url], isLearner: true });
      known.set("learner", added.member.ID);
      return added;
    },
  ],
  ["add without URL", ({ cluster }) => cluster.memberAdd({ peerURLs: ["no url"] })],
  ["promote", ({ cluster }, known) => cluster.memberPromote({ ID: known.get("learner") ?? "" })],
  ["promote a voter", ({ cluster }, known) => cluster.memberPromote({ ID: known.get("self") ?? "" })],
  [
    "update",
    async ({ cluster }, known) => {
      const updated = await cluster.memberUpdate({ ID: known.get("learner") ?? "", peerURLs: [`${url}0`] });
      // etcd 3.4 forgets on an update that a learner is one.
      return updated.members.length;
    },
  ],
  ["update of none", ({ cluster }) => cluster.memberUpdate({ ID: "1", peerURLs: [url] })],
  ["move the leader to a stranger", ({ maintenance }) => maintenance.moveLeader(targetOf("1"))],
  ["remove", ({ cluster }, known) => cluster.memberRemove({ ID: known.get("learner") ?? "" })],
  ["remove again", ({ cluster }, known) => cluster.memberRemove({ ID: known.get("learner") ?? "" })],
];

const upkeep: readonly Call[] = [
  ["status", ({ maintenance }) => maintenance.status().then(({ leader }) => leader.length > 0)],
  ["hash", ({ maintenance }) => maintenance.hash().then(({ hash }) => typeof hash)],
  ["defragment", ({ maintenance }) => maintenance.defragment()],
  ["no alarms", ({ maintenance }) => maintenance.alarm({ action: "Get", memberID: "0", alarm: "None" })],
  ["raise one", ({ maintenance }) => maintenance.alarm({ action: "Activate", memberID: "7", alarm: "Nospace" })],
  ["list it", ({ maintenance }) => maintenance.alarm({ action: "Get", memberID: "0", alarm: "None" })],
  ["put while it stands", ({ kv }) => kv.put({ key: bytes("k"), value: bytes("1") })],
  ["disarm it", ({ maintenance }) => maintenance.alarm({ action: "Deactivate", memberID: "7", alarm: "Nospace" })],
  [
    "disarm it again",
    ({ maintenance }) => maintenance.alarm({ action: "Deactivate", memberID: "7", alarm: "Nospace" }),
  ],
  ["snapshot", async ({ maintenance }) => (await drain(await maintenance.snapshot())) > 4096],
];

const permission = { permType: "Readwrite", key: bytes("a"), range_end: bytes("b") } as const;
const auth: readonly Call[] = [
  ["enable without root", ({ auth }) => auth.authEnable()],
  ["authenticate while off", ({ auth }) => auth.authenticate({ name: "root", password: "pw" })],
  ["user add", ({ auth }) => auth.userAdd({ name: "root", password: "pw" })],
  ["user add again", ({ auth }) => auth.userAdd({ name: "root", password: "pw" })],
  ["user add without name", ({ auth }) => auth.userAdd({ name: "", password: "pw" })],
  ["another user", ({ auth }) => auth.userAdd({ name: "ann", password: "pw" })],
  ["role add", ({ auth }) => auth.roleAdd({ name: "r" })],
  ["role add without name", ({ auth }) => auth.roleAdd({ name: "" })],
  ["grant a permission", ({ auth }) => auth.roleGrantPermission({ name: "r", perm: permission })],
  ["role get", ({ auth }) => auth.roleGet({ role: "r" })],
  ["role list", ({ auth }) => auth.roleList()],
  ["grant the role", ({ auth }) => auth.userGrantRole({ user: "ann", role: "r" })],
  ["grant no role", ({ auth }) => auth.userGrantRole({ user: "ann", role: "none" })],
  ["user get", ({ auth }) => auth.userGet({ name: "ann" })],
  ["user list", ({ auth }) => auth.userList()],
  ["change a password", ({ auth }) => auth.userChangePassword({ name: "ann", password: "new" })],
  ["revoke the role", ({ auth }) => auth.userRevokeRole({ name: "ann", role: "r" })],
  ["revoke it again", ({ auth }) => auth.userRevokeRole({ name: "ann", role: "r" })],
  [
    "revoke the permission",
    ({ auth }) => auth.roleRevokePermission({ role: "r", key: bytes("a"), range_end: bytes("b") }),
  ],
  ["revoke it again", ({ auth }) => auth.roleRevokePermission({ role: "r", key: bytes("a"), range_end: bytes("b") })],
  ["role delete", ({ auth }) => auth.roleDelete({ role: "r" })],
  ["role delete again", ({ auth }) => auth.roleDelete({ role: "r" })],
  ["user delete", ({ auth }) => auth.userDelete({ name: "ann" })],
  ["user delete again", ({ auth }) => auth.userDelete({ name: "ann" })],
  ["enable without root's role", ({ auth }) => auth.authEnable()],
  ["disable while off", ({ auth }) => auth.authDisable()],
];

const chapters = { keys, leases, watches, members, upkeep, auth };

suite(`every call of npm etcd3${whyNoStockEtcd === undefined ? "" : `: skipped, ${whyNoStockEtcd}`}`, () => {
  const clusters: RealCluster[] = [];
  const sides: { readonly client: Etcd3; readonly known: Map<string, string> }[] = [];
  const called = new Set<string>();

  beforeAll(async () => {
    const binary = stockEtcd.kind === "etcd" ? stockEtcd.binary : "";
    clusters.push(await startCluster(1), await startCluster(1, [], { etcd: binary }));
    for (const cluster of clusters) {
      await cluster.ready();
      const client = new Etcd3({ hosts: `http://127.0.0.1:${cluster.clientPorts[0]}`, faultHandling: asItComes });
      listen(client, called);
      sides.push({ client, known: new Map() });
    }
  }, 60_000);
  afterAll(async () => {
    for (const { client } of sides) client.close();
    for (const cluster of clusters) await cluster.close();
  });

  test.each(Object.keys(chapters) as (keyof typeof chapters)[])("%s", { timeout: 60_000 }, async (chapter) => {
    for (const [what, make] of chapters[chapter]) {
      const [ours, stock] = await Promise.all(sides.map(({ client, known }) => outcomeOf(make(client, known))));
      expect([what, ours]).toEqual([what, stock]);
    }
  });

  test("calls that came after 3.4: whether auth is on, and downgrades", async () => {
    const [ours] = sides;
    expect(await ours?.client.auth.authStatus()).toMatchObject({ enabled: false });
    const validated = ours?.client.maintenance.downgrade({ action: "Validate" as never, version: "3.5.0" });
    expect(await outcomeOf(validated ?? Promise.resolve())).toBeDefined();
  });

  test("no call of the client is left out", () => {
    const [ours] = sides;
    if (ours === undefined) throw new Error("not started");
    const known = serviceClients(ours.client).flatMap(methodsOf);
    expect(known.length).toBeGreaterThan(35);
    // The client asks its own stub for a method that this stub spells otherwise.
    expect(known.filter((method) => !called.has(method))).toEqual(["hashKV"]);
  });
});

/** No breaker and no second try, so that what is compared is what the server said. */
const straight = {
  execute: async (call: (context: object) => unknown) => call({ signal: new AbortController().signal }),
};
const asItComes = { host: () => straight as never, global: straight as never };

// ---- what is called --------------------------------------------------------------------------------------------

function serviceClients(client: Etcd3): readonly (AuthClient | ClusterClient)[] {
  const { kv, leaseClient, watchClient, cluster, maintenance, auth } = client;
  return [kv, leaseClient, watchClient, cluster, maintenance, auth] as never;
}

const methodsOf = (service: object): string[] =>
  Object.getOwnPropertyNames(Object.getPrototypeOf(service)).filter((name) => name !== "constructor");

/** Notes the name of every call that is made. */
function listen(client: Etcd3, called: Set<string>): void {
  for (const service of serviceClients(client) as unknown as { [method: string]: (...args: unknown[]) => unknown }[]) {
    for (const method of methodsOf(service)) {
      const make = service[method]?.bind(service);
      service[method] = (...args) => {
        called.add(method);
        return make?.(...args);
      };
    }
  }
}

// ---- what comes of it ------------------------------------------------------------------------------------------

async function outcomeOf(call: Promise<Answer>): Promise<Answer> {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error("no answer")), 15_000).unref();
  });
  try {
    return plain(await Promise.race([call, late]));
  } catch (error) {
    if (error instanceof TypeError) throw error;
    return error instanceof Error ? `${error.name}: ${error.message}` : error;
  }
}

/** Without what no two clusters share. */
function plain(value: unknown, name = ""): unknown {
  // etcd 3.4 gives none in answers about alarms.
  if (name === "header") return undefined;
  if (["cluster_id", "member_id", "raft_term", "hash", "version"].includes(name) && typeof value !== "object")
    return name === "version" && typeof value === "string" && !value.includes(".") ? value : `some ${name}`;
  if (name === "ID" && typeof value === "string" && value.length > 15) return "some id";
  if (name === "peerURLs" || name === "clientURLs") return (value as unknown[]).length;
  if (value instanceof Buffer) return value.toString("latin1");
  // Members stand in the order of their ids.
  if (name === "members") return (value as { name: string }[]).map((each) => plain(each)).sort(byText);
  if (Array.isArray(value)) return value.map((each) => plain(each));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([field, each]) => [field, plain(each, field)]));
}

const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

/** Sends all, and gathers so many answers, or those that came until none did for a while. */
async function exchange<Request, Reply>(
  stream: IDuplexStream<Request, Reply>,
  requests: readonly Request[],
  replies: number,
): Promise<Reply[]> {
  const seen: Reply[] = [];
  const enough = new Promise<void>((resolve, reject) => {
    let quiet = setTimeout(resolve, 3_000);
    stream.on("data", (reply) => {
      seen.push(reply);
      clearTimeout(quiet);
      if (seen.length === replies) resolve();
      else quiet = setTimeout(resolve, 3_000);
    });
    stream.on("error", reject);
  });
  for (const request of requests) stream.write(request);
  await enough;
  // Ends by the client's own cancelling, and says so.
  const ended = new Promise((resolve) => stream.on("error", resolve));
  stream.cancel();
  await ended;
  return seen;
}

async function drain(stream: IResponseStream<{ readonly blob: Buffer }>): Promise<number> {
  let size = 0;
  return new Promise((resolve, reject) => {
    stream.on("data", ({ blob }) => {
      size += blob.length;
    });
    stream.on("end", () => resolve(size));
    stream.on("error", reject);
  });
}

/** The client spells this field in its own way. */
function targetOf(id = ""): { readonly targetID: string } {
  return { targetID: id };
}
