/*
 * Bounds of streams, watches, users and roles: what is refused, in which words, and that the rest goes on.
 */
import { expect, test } from "vitest";
import { AuthStore } from "../../core/auth/auth-store.ts";
import { authBounds, defaultMemberConfig } from "../../core/config.ts";
import { watchIdOf } from "../../core/ids.ts";
import type { StreamReply } from "../../core/request.ts";
import { permission, userAdd } from "../kit/auth.ts";
import { TestCluster } from "../kit/cluster.ts";
import { MemoryBackend } from "../kit/memory-backend.ts";
import { accepted, putOf, watchFrom } from "../kit/requests.ts";

function memberOf(config: ConstructorParameters<typeof TestCluster>[0]["config"] = {}): TestCluster {
  const cluster = new TestCluster({ size: 1, config });
  cluster.elect();
  return cluster;
}

const created = (replies: readonly StreamReply[]): string[] =>
  replies.flatMap((reply) =>
    reply.type === "watch" && reply.created ? [reply.canceled ? `refused: ${reply.cancelReason}` : "ok"] : [],
  );
const tooMany = "refused: etcdserver: too many requests";

test("a watch beyond the bound of its stream is refused, the stream goes on, and a cancelled one makes room", () => {
  const cluster = memberOf({ watchesPerStreamMax: 2 });
  const { id, stream } = cluster.openStream(cluster.leader, "watch");
  for (let number = 0; number < 3; number++) cluster.send(cluster.leader, id, watchFrom("k"));
  expect(created(stream.replies)).toEqual(["ok", "ok", tooMany]);
  cluster.send(cluster.leader, id, { type: "watchCancel", watchId: watchIdOf(0n) });
  cluster.send(cluster.leader, id, watchFrom("k"));
  expect(created(stream.replies)).toEqual(["ok", "ok", tooMany, "ok"]);
  expect(stream.ended).toBeUndefined();
});

test("a watch beyond the bound of the member is refused on any stream, and a closed stream makes room", () => {
  const cluster = memberOf({ watchesMax: 2, streamsMax: 2 });
  const [one, two] = [cluster.openStream(cluster.leader, "watch"), cluster.openStream(cluster.leader, "watch")];
  for (const { id } of [one, one, two]) cluster.send(cluster.leader, id, watchFrom("k"));
  expect([created(one.stream.replies), created(two.stream.replies)]).toEqual([["ok", "ok"], [tooMany]]);
  expect(cluster.openStream(cluster.leader, "watch").stream.ended).toBe("tooManyRequests");
  cluster.close(cluster.leader, one.id);
  const three = cluster.openStream(cluster.leader, "watch");
  cluster.send(cluster.leader, three.id, watchFrom("k"));
  expect(created(three.stream.replies)).toEqual(["ok"]);
});

test("five thousand watches of one stream each bring every change once, in order, also those that fell behind", () => {
  const watches = 5_000;
  const cluster = memberOf({ watchCatchUpMs: 1 });
  const { id, stream } = cluster.openStream(cluster.leader, "watch");
  for (let number = 0; number < watches; number++) cluster.send(cluster.leader, id, watchFrom("k"));
  for (let round = 0; round < 4; round++) accepted(cluster.call(cluster.leader, putOf("k", `${round}`)));
  cluster.pass(3_000);
  const seen = new Map<bigint, number[]>();
  for (const reply of stream.replies) {
    if (reply.type !== "watch") continue;
    const revisions = seen.get(reply.watchId) ?? [];
    seen.set(reply.watchId, revisions);
    for (const event of reply.events) revisions.push(event.keyValue.modRevision);
  }
  expect(seen.size).toBe(watches);
  expect([...seen.values()].filter((revisions) => revisions.join() !== "2,3,4,5")).toEqual([]);
});

test("users, roles and the permissions of a role are bounded, by bounds no operator can make differ", () => {
  const store = new AuthStore(new MemoryBackend({ crashes: false }), defaultMemberConfig);
  store.reload();
  let index = 0;
  const apply = (change: Parameters<AuthStore["apply"]>[0]): string => {
    const outcome = store.apply(change, { index: ++index, nowMs: 0 });
    return outcome.ok ? "ok" : outcome.refusal;
  };
  expect(apply({ type: "roleAdd", role: "r" })).toBe("ok");
  for (let number = 1; number < authBounds.rolesMax; number++) apply({ type: "roleAdd", role: `r${number}` });
  expect(apply({ type: "roleAdd", role: "one more" })).toBe("tooManyRequests");
  for (let number = 0; number < authBounds.usersMax; number++) apply(userAdd(`u${number}`));
  expect(apply(userAdd("one more"))).toBe("tooManyRequests");
  expect(apply({ type: "roleDelete", role: "r1" })).toBe("ok");
  expect(apply({ type: "roleAdd", role: "one more" })).toBe("ok");
  expect(apply({ type: "roleGrantPermission", role: "r", permission: permission("readWrite", "k") })).toBe("ok");
});
