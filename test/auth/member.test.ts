/*
 * Auth through whole members: passwords, tokens, streams, restarts and snapshots.
 */
import { describe, expect, test } from "vitest";
import type { Credential } from "../../core/auth/identity.ts";
import { leaseIdOf, watchIdOf } from "../../core/ids.ts";
import type { Permission, Reply, Request } from "../../core/request.ts";
import { callsOf, keyRange, permission, usersAndRoles } from "../kit/auth.ts";
import { TestCluster, type TestMember } from "../kit/cluster.ts";
import { putOf, rangeOf, watchFrom } from "../kit/requests.ts";

type Users = { readonly [user: string]: readonly Permission[] };

function authCluster(users: Users, size = 3, config: ConstructorParameters<typeof TestCluster>[0]["config"] = {}) {
  const cluster = new TestCluster({ size, config });
  cluster.elect();
  for (const call of callsOf(usersAndRoles(users))) {
    const reply = cluster.call(cluster.leader, call);
    if (!reply.ok) throw new Error(`${call.type} was refused: ${reply.refusal}`);
  }
  cluster.pass(300);
  return cluster;
}

const login = (name: string, password = `pw of ${name}`): Request => ({ type: "authenticate", name, password });

function tokenOf(reply: Reply): Credential {
  if (!reply.ok || reply.answer.type !== "authenticate") throw new Error(`no token: ${JSON.stringify(reply)}`);
  return { type: "token", token: reply.answer.token };
}

/** A token given out by that member, known to all. */
function authenticated(cluster: TestCluster, each: TestMember, name: string): Credential {
  const token = tokenOf(cluster.call(each, login(name)));
  cluster.pass(300);
  return token;
}

const refusalOf = (reply: Reply): string | undefined => (reply.ok ? undefined : reply.refusal);

describe("authenticating", () => {
  test("gives a token that every member knows, with its entry's index in its name", () => {
    const cluster = authCluster({ u: [permission("readWrite", "k")] });
    const [follower] = cluster.followers;
    const token = authenticated(cluster, follower as TestMember, "u");
    expect(token).toMatchObject({ token: expect.stringMatching(/^[a-zA-Z]{16}\.\d+$/) });
    for (const each of cluster.members) {
      expect(cluster.call(each, putOf("k", "v"), token)).toMatchObject({ ok: true });
      expect(refusalOf(cluster.call(each, putOf("other", "v"), token))).toBe("permissionDenied");
      expect(refusalOf(cluster.call(each, putOf("k", "v")))).toBe("userEmpty");
    }
  });

  test("fails alike for a wrong password and for nobody, and needs auth to be on", () => {
    const cluster = authCluster({ u: [] });
    expect(refusalOf(cluster.call(cluster.leader, login("u", "wrong")))).toBe("authFailed");
    expect(refusalOf(cluster.call(cluster.leader, login("nobody")))).toBe("authFailed");
    const root = authenticated(cluster, cluster.leader, "root");
    cluster.call(cluster.leader, { type: "userAdd", name: "free", password: "", noPassword: true }, root);
    expect(refusalOf(cluster.call(cluster.leader, login("free", "")))).toBe("authNoPassword");
    expect(cluster.call(cluster.leader, { type: "authDisable" }, root)).toMatchObject({ ok: true });
    expect(refusalOf(cluster.call(cluster.leader, login("u")))).toBe("authNotEnabled");
  });

  test("a password that is changed while it is checked is checked again", () => {
    const cluster = authCluster({ u: [] });
    const { leader } = cluster;
    const root = authenticated(cluster, leader, "root");
    leader.holdsPasswords = true;
    const thief = cluster.submit(leader, login("u"));
    const owner = cluster.submit(leader, login("u", "new"));
    expect(leader.passwords.length).toBe(2);
    const [follower] = cluster.followers;
    const changed = { type: "userChangePassword", name: "u", password: "new" } as const;
    expect(cluster.call(follower as TestMember, changed, root)).toMatchObject({ ok: true });
    cluster.pass(200);
    cluster.workPasswords(leader);
    expect(cluster.reply(leader, thief)).toBeUndefined();
    cluster.workPasswords(leader);
    expect(cluster.reply(leader, thief)).toEqual({ ok: false, refusal: "authFailed" });
    expect(cluster.reply(leader, owner)).toMatchObject({ ok: true });
  });

  test("a change that commits between check and token has the password checked again", () => {
    const cluster = authCluster({ u: [] });
    const [slow] = cluster.followers;
    if (slow === undefined) throw new Error("no follower");
    slow.holdsPasswords = true;
    const root = authenticated(cluster, cluster.leader, "root");
    const request = cluster.submit(slow, login("u"));
    slow.isCutOff = true;
    cluster.call(cluster.leader, { type: "userChangePassword", name: "u", password: "new" }, root);
    // Long enough to lose sight of the leader: the token it proposes now has to wait for one.
    cluster.pass(2_500);
    expect(slow.running.raft.leaderId).toBeUndefined();
    cluster.workPasswords(slow);
    slow.isCutOff = false;
    cluster.pass(2_000);
    expect(cluster.reply(slow, request)).toBeUndefined();
    cluster.workPasswords(slow);
    expect(cluster.reply(slow, request)).toEqual({ ok: false, refusal: "authFailed" });
  });

  test("a password is hashed only for who may have it stored", () => {
    const cluster = authCluster({ u: [] });
    cluster.leader.holdsPasswords = true;
    const add = { type: "userAdd", name: "x", password: "x", noPassword: false } as const;
    expect(refusalOf(cluster.call(cluster.leader, add))).toBe("userEmpty");
    expect(cluster.leader.passwords).toEqual([]);
    expect(refusalOf(cluster.call(cluster.leader, { ...add, password: "x".repeat(73) }))).toBe("passwordTooLong");
  });

  test("more passwords at once than the bound are refused; a check that takes too long times out", () => {
    const cluster = authCluster({ u: [] }, 3, { passwordCallsMax: 1 });
    cluster.leader.holdsPasswords = true;
    const first = cluster.submit(cluster.leader, login("u"));
    expect(refusalOf(cluster.call(cluster.leader, login("u")))).toBe("tooManyRequests");
    cluster.pass(7_100);
    expect(cluster.reply(cluster.leader, first)).toEqual({ ok: false, refusal: "timedOut" });
    cluster.workPasswords(cluster.leader);
    cluster.leader.holdsPasswords = false;
    expect(cluster.call(cluster.leader, login("u"))).toMatchObject({ ok: true });
  });
});

test("a member raises its alarm and ends leases on its own account, with auth on", () => {
  const cluster = authCluster({ u: [permission("readWrite", "k")] }, 3, { quotaBytes: 100_000 });
  const token = authenticated(cluster, cluster.leader, "u");
  const leaseId = leaseIdOf(6n);
  const { leader } = cluster;
  expect(cluster.call(leader, { type: "leaseGrant", leaseId, ttlSeconds: 2 }, token)).toMatchObject({ ok: true });
  expect(cluster.call(leader, { ...putOf("k", "x".repeat(60_000)), lease: leaseId }, token)).toMatchObject({
    ok: true,
  });
  cluster.pass(100);
  expect(refusalOf(cluster.call(leader, putOf("k", "x".repeat(60_000)), token))).toBe("noSpace");
  expect(refusalOf(cluster.call(leader, putOf("k", "small"), token))).toBe("noSpace");
  cluster.pass(5_000);
  const found = cluster.call(leader, rangeOf("k"), token);
  expect(found.ok && found.answer.type === "range" && found.answer.count).toBe(0);
});

test("the keys of a lease are shown to who may read them, at whichever member is asked", () => {
  const cluster = authCluster({ u: [permission("readWrite", "k")] });
  const token = authenticated(cluster, cluster.leader, "u");
  const leaseId = leaseIdOf(8n);
  const root: Credential = { type: "member" };
  cluster.call(cluster.leader, { type: "leaseGrant", leaseId, ttlSeconds: 50 }, token);
  cluster.call(cluster.leader, { ...putOf("k", "v"), lease: leaseId }, token);
  cluster.pass(200);
  const ask = { type: "leaseTimeToLive", leaseId, keys: true } as const;
  const [stale] = cluster.followers;
  if (stale === undefined) throw new Error("no follower");
  for (const each of cluster.members) expect(cluster.call(each, ask, token)).toMatchObject({ ok: true });
  // The follower lets the question pass by what it knows; the leader's answer holds a key that may not be shown.
  stale.isCutOff = true;
  cluster.call(cluster.leader, { ...putOf("secret", "v"), lease: leaseId }, root);
  const asked = cluster.submit(stale, ask, false, token);
  stale.isCutOff = false;
  cluster.pass(3_000);
  expect(cluster.reply(stale, asked)).toEqual({ ok: false, refusal: "permissionDenied" });
});

test("an old token is no hindrance to authenticating", () => {
  const cluster = authCluster({ u: [] });
  const old: Credential = { type: "token", token: "abc.1" };
  expect(cluster.call(cluster.leader, login("u"), old)).toMatchObject({ ok: true });
});

describe("tokens", () => {
  test("that are unknown or no tokens at all are refused, and passed over while auth is off", () => {
    const cluster = authCluster({});
    const bad: Credential[] = [
      { type: "token", token: "abc.1" },
      { type: "token", token: "abc" },
      { type: "token", token: "" },
      { type: "invalid" },
    ];
    for (const credential of bad) {
      expect(refusalOf(cluster.call(cluster.leader, putOf("k", "v"), credential))).toBe("invalidAuthToken");
      expect(refusalOf(cluster.call(cluster.leader, rangeOf("k"), credential))).toBe("invalidAuthToken");
    }
    const off = new TestCluster({ size: 1 });
    off.elect();
    for (const credential of bad) expect(off.call(off.leader, putOf("k", "v"), credential)).toMatchObject({ ok: true });
  });

  test("a member waits for the entry of a token it has not applied yet", () => {
    const cluster = authCluster({ u: [permission("read", "k")] });
    const [slow] = cluster.followers;
    if (slow === undefined) throw new Error("no follower");
    slow.isCutOff = true;
    const token = tokenOf(cluster.call(cluster.leader, login("u")));
    const read = cluster.submit(slow, { ...rangeOf("k"), serializable: true }, false, token);
    const { id, stream } = cluster.openStream(slow, "watch", false, token);
    cluster.send(slow, id, watchFrom("k"));
    expect(cluster.reply(slow, read)).toBeUndefined();
    expect(stream.replies).toEqual([]);
    slow.isCutOff = false;
    cluster.pass(3_000);
    expect(cluster.reply(slow, read)).toMatchObject({ ok: true });
    expect(stream.replies).toMatchObject([{ created: true, canceled: false }]);
  });

  test("a token of an entry that never comes is refused in the end", () => {
    const cluster = authCluster({});
    const read = cluster.submit(cluster.leader, putOf("k", "v"), false, { type: "token", token: "abc.999999" });
    cluster.pass(6_900);
    expect(cluster.reply(cluster.leader, read)).toBeUndefined();
    cluster.pass(200);
    expect(cluster.reply(cluster.leader, read)).toEqual({ ok: false, refusal: "invalidAuthToken" });
  });

  test("are forgotten by a member that restarts, by none of the others", () => {
    const cluster = authCluster({});
    const token = authenticated(cluster, cluster.leader, "root");
    const [each] = cluster.followers;
    if (each === undefined) throw new Error("no follower");
    cluster.stop(each);
    cluster.start(each);
    cluster.pass(3_000);
    expect(cluster.call(cluster.leader, putOf("k", "v"), token)).toMatchObject({ ok: true });
    expect(refusalOf(cluster.call(each, putOf("k", "v"), token))).toBe("invalidAuthToken");
  });

  test("signed by the world are as old as their issue", () => {
    const cluster = authCluster({ u: [permission("readWrite", "k")] }, 1, { simpleTokens: false });
    const reply = cluster.call(cluster.leader, login("u"));
    if (!reply.ok || reply.answer.type !== "authenticate") throw new Error("no answer");
    const { token, user, authRevision } = reply.answer;
    expect({ token, user }).toEqual({ token: "", user: "u" });
    const signed: Credential = { type: "signed", user, authRevision };
    expect(cluster.call(cluster.leader, putOf("k", "v"), signed)).toMatchObject({ ok: true });
    cluster.call(cluster.leader, { type: "roleAdd", role: "r" }, { type: "member" });
    expect(refusalOf(cluster.call(cluster.leader, putOf("k", "v"), signed))).toBe("authOldRevision");
    expect(refusalOf(cluster.call(cluster.leader, rangeOf("k"), signed))).toBe("authOldRevision");
    const simple: Credential = { type: "token", token: "abc.1" };
    expect(refusalOf(cluster.call(cluster.leader, rangeOf("k"), simple))).toBe("invalidAuthToken");
  });
});

describe("streams", () => {
  const reasons = (cluster: TestCluster, credential: Credential | undefined): unknown => {
    const { id, stream } = cluster.openStream(cluster.leader, "watch", false, credential);
    cluster.send(cluster.leader, id, watchFrom("k"));
    return stream.replies.map((reply) => reply.type === "watch" && [reply.created, reply.watchId, reply.cancelReason]);
  };

  test("a watch is refused on its stream, which lives on, with the words of a status", () => {
    const cluster = authCluster({ u: [permission("read", "k")], v: [] });
    const refused = (text: string) => [[true, watchIdOf(-1n), `rpc error: code = ${text}`]];
    expect(reasons(cluster, undefined)).toEqual(refused("InvalidArgument desc = etcdserver: user name is empty"));
    expect(reasons(cluster, { type: "invalid" })).toEqual(
      refused("Unauthenticated desc = etcdserver: invalid auth token"),
    );
    expect(reasons(cluster, authenticated(cluster, cluster.leader, "v"))).toEqual(
      refused("PermissionDenied desc = etcdserver: permission denied"),
    );
    expect(reasons(cluster, { type: "signed", user: "u", authRevision: 1 })).toEqual(
      refused("InvalidArgument desc = etcdserver: revision of auth store is old"),
    );
    expect(reasons(cluster, authenticated(cluster, cluster.leader, "u"))).toEqual([[true, watchIdOf(0n), ""]]);
  });

  test("a watch goes on after its right is gone", () => {
    const cluster = authCluster({ u: [permission("read", "k")] });
    const token = authenticated(cluster, cluster.leader, "u");
    const { id, stream } = cluster.openStream(cluster.leader, "watch", false, token);
    cluster.send(cluster.leader, id, watchFrom("k"));
    cluster.call(cluster.leader, { type: "roleDelete", role: "u" }, { type: "member" });
    cluster.call(cluster.leader, putOf("k", "v"), { type: "member" });
    expect(stream.replies.length).toBe(2);
    expect(stream.ended).toBeUndefined();
  });

  test("a keep-alive without the right ends its stream", () => {
    const cluster = authCluster({ u: [permission("write", "mine")] });
    const leaseId = leaseIdOf(5n);
    const token = authenticated(cluster, cluster.leader, "u");
    expect(cluster.call(cluster.leader, { type: "leaseGrant", leaseId, ttlSeconds: 50 }, token)).toMatchObject({
      ok: true,
    });
    const { id, stream } = cluster.openStream(cluster.leader, "leaseKeepAlive", false, token);
    cluster.send(cluster.leader, id, { type: "leaseKeepAlive", leaseId });
    expect(stream.replies).toMatchObject([{ ttlSeconds: 50 }]);
    cluster.call(cluster.leader, { ...putOf("foreign", "v"), lease: leaseId }, { type: "member" });
    cluster.send(cluster.leader, id, { type: "leaseKeepAlive", leaseId });
    expect(stream.ended).toBe("permissionDenied");
    const nobody = cluster.openStream(cluster.leader, "leaseKeepAlive");
    cluster.send(cluster.leader, nobody.id, { type: "leaseKeepAlive", leaseId });
    expect(nobody.stream.ended).toBe("userEmpty");
  });
});

describe("state", () => {
  const hashes = (cluster: TestCluster): readonly (readonly [number, number, number])[] =>
    cluster.members.map(({ running }) => [running.appliedIndex, running.authHash(), running.runningHash().hash]);

  test("is the same on every member, after a restart too", () => {
    const cluster = authCluster({ u: [permission("readWrite", "a", "c")], v: [] });
    const [first, ...others] = hashes(cluster);
    for (const other of others) expect(other).toEqual(first);
    const [each] = cluster.followers;
    if (each === undefined) throw new Error("no follower");
    cluster.stop(each);
    cluster.start(each);
    cluster.pass(3_000);
    const member: Credential = { type: "member" };
    cluster.call(cluster.leader, { type: "roleRevokePermission", role: "u", ...keyRange("a", "c") }, member);
    cluster.pass(300);
    const after = cluster.members.map(({ running }) => running.authHash());
    expect(new Set(after).size).toBe(1);
    expect(after[0]).not.toBe(first?.[1]);
    // Judged by rights that were taken away just now, the same on all.
    const signed: Credential = { type: "signed", user: "u", authRevision: 99 };
    for (const member of cluster.members) {
      expect(refusalOf(cluster.call(member, putOf("b", "v"), signed))).toBe("permissionDenied");
    }
  });

  test("comes with a snapshot, and the tokens of before it are gone", () => {
    const cluster = authCluster({ u: [permission("readWrite", "k")] }, 3, {
      snapshotEntries: 20,
      snapshotCatchUpEntries: 2,
    });
    const token = authenticated(cluster, cluster.leader, "u");
    const [slow] = cluster.followers;
    if (slow === undefined) throw new Error("no follower");
    expect(cluster.call(slow, putOf("k", "1"), token)).toMatchObject({ ok: true });
    slow.isCutOff = true;
    const root: Credential = { type: "member" };
    cluster.call(cluster.leader, { type: "userChangePassword", name: "u", password: "new" }, root);
    for (let count = 0; count < 60; count++) cluster.call(cluster.leader, putOf("other", `${count}`), root);
    slow.isCutOff = false;
    cluster.pass(5_000);
    expect(slow.events.some((event) => event.type === "snapshotInstalled")).toBe(true);
    expect(slow.running.authHash()).toBe(cluster.leader.running.authHash());
    expect(refusalOf(cluster.call(slow, putOf("k", "2"), token))).toBe("invalidAuthToken");
    expect(cluster.call(slow, login("u", "new"))).toMatchObject({ ok: true });
  });
});

test("users and roles are listed in byte order, with what they hold", () => {
  const cluster = authCluster({ b: [permission("read", "k")], a: [] });
  const root: Credential = { type: "member" };
  const ask = (request: Request): unknown => {
    const reply = cluster.call(cluster.leader, request, root);
    return reply.ok ? reply.answer : reply.refusal;
  };
  expect(ask({ type: "userList" })).toEqual({ type: "userList", names: ["a", "b", "root"] });
  expect(ask({ type: "roleList" })).toEqual({ type: "roleList", names: ["a", "b"] });
  expect(ask({ type: "userGet", name: "root" })).toEqual({ type: "userGet", roles: ["root"] });
  expect(ask({ type: "userGet", name: "x" })).toBe("userNotFound");
  expect(ask({ type: "roleGet", role: "b" })).toEqual({ type: "roleGet", permissions: [permission("read", "k")] });
  expect(ask({ type: "roleGet", role: "root" })).toBe("roleNotFound");
  expect(ask({ type: "authStatus" })).toEqual({ type: "authStatus", enabled: true, authRevision: 10 });
});
