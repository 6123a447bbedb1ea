/*
 * Histories of users and roles: what the check of rights must accept and must refuse.
 */
import { describe, expect, test } from "vitest";
import { checkByName } from "../../scenarios/check/all.ts";
import type { AuthOperation, Operation, OperationAnswer } from "../../scenarios/history.ts";
import { isCovered } from "../../scenarios/model/rights.ts";
import { Recorder } from "./history-kit.ts";

const denied = "etcdserver: permission denied";
const put = (key: string, more: object = {}): Operation => ({ op: "put", key, value: "v", ...more });
const range = (key: string, rangeEnd?: string): Operation => ({ op: "range", key, ...(rangeEnd && { rangeEnd }) });
const emptyOf = (operation: Operation): OperationAnswer =>
  operation.op === "range"
    ? { op: "range", kvs: [], count: 0, more: false }
    : operation.op === "txn"
      ? { op: "txn", succeeded: true, responses: [] }
      : { op: "put" };

/** Root makes users and roles one after the other, users call; every call has a number of its own. */
class Story extends Recorder {
  #id = 0;
  #revision = 1;

  change(operation: AuthOperation): this {
    return this.call(++this.#id, operation).ok(this.#id, 1, { op: "auth" });
  }
  /** Not answered: it may happen at any time. */
  openChange(operation: AuthOperation): this {
    return this.call(++this.#id, operation).lost(this.#id);
  }
  grantRole = (user: string, role: string): this => this.change({ op: "auth", change: "grantRole", user, role });
  revokeRole = (user: string, role: string): this => this.change({ op: "auth", change: "revokeRole", user, role });
  grant = (role: string, right: "read" | "write" | "readWrite", key: string, rangeEnd?: string): this =>
    this.change({ op: "auth", change: "grantRange", role, right, key, ...(rangeEnd && { rangeEnd }) });
  revoke = (role: string, key: string, rangeEnd?: string): this =>
    this.change({ op: "auth", change: "revokeRange", role, key, ...(rangeEnd && { rangeEnd }) });
  login(user: string): this {
    return this.call(++this.#id, { op: "login", user, password: "p" }).ok(this.#id, 1, { op: "login", token: "t" });
  }
  get lastId(): number {
    return this.#id;
  }
  accepted(user: string, operation: Operation, login?: number): this {
    if (operation.op !== "range") this.#revision += 1;
    return this.callOf(++this.#id, user, operation, login).ok(this.#id, this.#revision, emptyOf(operation));
  }
  refused(user: string, operation: Operation): this {
    return this.callOf(++this.#id, user, operation).fail(this.#id, denied);
  }
}

/** u may read and write [a, c), and read [c, e); auth is on. */
const begun = (): Story =>
  new Story()
    .grant("r", "readWrite", "a", "c")
    .grant("r", "read", "c", "e")
    .grantRole("u", "r")
    .change({ op: "auth", change: "enable" });

function verdict(story: Story): string {
  const result = checkByName("rights")?.check(story.events, { steps: 100_000 });
  return result?.violations[0]?.rule ?? result?.verdict ?? "";
}
const accepts = (story: Story): void => expect(verdict(story)).toBe("holds");
const rejects = (story: Story, rule: string): void => expect(verdict(story)).toBe(rule);

describe("accepted", () => {
  test("what the user's roles grant, across the border of two ranges", () => {
    accepts(begun().accepted("u", put("b")).accepted("u", range("a", "e")).accepted("u", range("d")));
  });

  test("refusals of what nobody granted, and anything while auth may be off", () => {
    accepts(begun().refused("u", put("c")).refused("u", range("a", "f")).refused("other", range("a")));
    accepts(new Story().accepted("u", put("z")));
    accepts(new Story().openChange({ op: "auth", change: "enable" }).accepted("u", put("z")).refused("u", put("z")));
  });

  test("either answer while a change is under way or its outcome is open", () => {
    const revoke = { op: "auth", change: "revokeRange", role: "r", key: "a", rangeEnd: "c" } as const;
    accepts(begun().openChange(revoke).refused("u", put("a")).accepted("u", put("a")));
    const grant = { op: "auth", change: "grantRange", role: "r", right: "write", key: "z" } as const;
    accepts(begun().openChange(grant).accepted("u", put("z")).refused("u", put("z")));
    const story = begun().callOf(90, "u", put("a")).revoke("r", "a", "c");
    accepts(story.ok(90, 2, { op: "put" }));
  });

  test("a token made before another user's password, or its own, was changed, until then", () => {
    const story = begun().login("u");
    const { lastId } = story;
    accepts(
      story
        .change({ op: "auth", change: "changePassword", user: "other", password: "q" })
        .accepted("u", put("a"), lastId),
    );
  });

  test("a put on a lease whose other keys may be gone from it", () => {
    const story = begun()
      .grantRole("root", "root")
      .accepted("root", put("z", { lease: "7" }))
      .accepted("root", put("z"));
    accepts(story.accepted("u", put("a", { lease: "7" })));
  });
});

describe("refused", () => {
  test("a call without the right", () => {
    rejects(begun().accepted("u", put("c")), "allowed-without-right");
    rejects(begun().accepted("u", range("d", "f")), "allowed-without-right");
    rejects(begun().accepted("other", range("a")), "allowed-without-right");
  });

  test("a call with a right that was taken away, from the range, from the user, or made less", () => {
    rejects(begun().revoke("r", "a", "c").accepted("u", put("a")), "allowed-without-right");
    rejects(begun().revokeRole("u", "r").accepted("u", range("a")), "allowed-without-right");
    rejects(begun().grant("r", "read", "a", "c").accepted("u", put("a")), "allowed-without-right");
  });

  test("an old value shown to who may not read", () => {
    const story = begun().grant("r", "write", "k");
    rejects(story.accepted("u", put("k")).accepted("u", put("k", { prevKv: true })), "allowed-without-right");
  });

  test("a transaction that may do what its user may not, whichever branch ran", () => {
    const txn: Operation = { op: "txn", compares: [], success: [], failure: [{ op: "put", key: "d", value: "" }] };
    rejects(begun().accepted("u", txn), "allowed-without-right");
    const compare = { target: "version", result: "equal", key: "z", operand: 0 } as const;
    const reading: Operation = {
      op: "txn",
      compares: [compare],
      success: [{ op: "put", key: "a", value: "" }],
      failure: [],
    };
    rejects(begun().accepted("u", reading), "allowed-without-right");
  });

  test("a put on a lease that holds keys of others", () => {
    const story = begun()
      .grantRole("root", "root")
      .accepted("root", put("z", { lease: "7" }));
    rejects(story.accepted("u", put("a", { lease: "7" })), "allowed-without-right");
  });

  test("a refusal although everything was granted, or while auth was surely off", () => {
    rejects(begun().refused("u", put("a")), "refused-with-right");
    rejects(begun().refused("u", range("a", "e")), "refused-with-right");
    rejects(new Story().refused("u", put("a")), "refused-with-right");
  });

  test("a token that outlives its password", () => {
    const story = begun().login("u");
    const { lastId } = story;
    story.change({ op: "auth", change: "changePassword", user: "u", password: "q" });
    rejects(story.accepted("u", put("a"), lastId), "token-outlives-password");
  });
});

test("a stretch is covered by ranges that overlap or touch, and by nothing with a gap", () => {
  const ranges = [
    { from: "c", to: undefined },
    { from: "a", to: "b" },
  ];
  expect(isCovered({ from: "a", to: "b" }, ranges)).toBe(true);
  expect(isCovered({ from: "d", to: undefined }, ranges)).toBe(true);
  expect(isCovered({ from: "a", to: "d" }, ranges)).toBe(false);
  expect(isCovered({ from: "a", to: undefined }, [...ranges, { from: "b", to: "c" }])).toBe(true);
  expect(isCovered({ from: "a", to: undefined }, [{ from: "a", to: "z" }])).toBe(false);
});
