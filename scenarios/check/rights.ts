/*
 * Rights: a call is accepted only if its user may have been allowed to make it, and refused for want of rights only if
 * it may have lacked them. A token given out for a password is worth nothing once that password was changed. Judged are
 * writes and linearizable reads: a serializable read is judged by what its member knew, as old as that may be.
 *
 * Of a put on a lease the other keys of the lease count, too: those that were put on it, acknowledged, and that nobody
 * may have touched since.
 */
import type { KvOperation } from "../history.ts";
import { type Need, needsOf, open, RightsModel, type Stretch, stretchOf, type Window } from "../model/rights.ts";
import { type CheckContext, resultOf } from "./context.ts";
import { opText } from "./op-text.ts";
import type { Op } from "./operations.ts";
import type { CheckResult, Violation } from "./verdict.ts";

const deniedText = "etcdserver: permission denied";

export function checkRights(context: CheckContext): CheckResult {
  const { history } = context;
  const model = new RightsModel();
  const logins = new Map<number, Op>();
  const passwords: Op[] = [];
  for (const op of history.ops) {
    const { source } = op.step;
    if (source.op === "login") logins.set(op.id, op);
    if (source.op !== "auth" || op.outcome === "failed") continue;
    model.change(source, windowOf(op));
    if (source.change === "changePassword" && op.outcome === "ok") passwords.push(op);
  }
  const keysOfLease = attachmentsOf(history.ops);
  const violations: Violation[] = [];
  let judged = 0;
  for (const op of history.ops) {
    const { source } = op.step;
    const isKv = source.op === "range" || source.op === "put" || source.op === "deleteRange" || source.op === "txn";
    if (!isKv || op.role !== "ordered" || op.user === undefined || op.outcome === "unknown") continue;
    const window = windowOf(op);
    const needs = [...needsOf(source), ...leaseNeeds(source, keysOfLease, window)];
    if (op.outcome === "ok") {
      judged += 1;
      const stale = staleLogin(op, logins, passwords);
      if (stale !== undefined) violations.push(stale);
      if (model.mayBeOff(window)) continue;
      const lacking = needs.find((need) => !model.mayHave(op.user ?? "", need, window));
      if (lacking !== undefined) violations.push(wrong("allowed-without-right", op, "was accepted", lacking));
    } else if (op.error === deniedText) {
      judged += 1;
      // What else is on the lease is not known for sure, so nothing is said of a refused put on one.
      if (leasesOf(source).length > 0) continue;
      const isGranted = needs.every((need) => model.surelyHas(op.user ?? "", need, window));
      if (!model.mayBeEnabled(window) || isGranted) violations.push(wrong("refused-with-right", op, "was refused"));
    }
  }
  return resultOf("rights", violations, judged, `${judged} calls were judged as their users' rights say`);
}

const windowOf = (op: Op): Window => ({ from: op.call, to: op.outcome === "unknown" ? open : op.ret });

function wrong(rule: string, op: Op, what: string, need?: Need): Violation {
  const why =
    need === undefined
      ? "had every right it needs all the time"
      : `may at no time of the call ${need.bit} all of ${stretchText(need)}`;
  const text = `${opText(op)} of ${op.user} at ${op.member} ${what}, though ${op.user} ${why}`;
  return { rule, text, calls: [op.id], watches: [] };
}

function stretchText({ from, to }: Stretch): string {
  if (to === `${from}\0`) return JSON.stringify(from);
  return `[${JSON.stringify(from)}, ${to === undefined ? "…" : JSON.stringify(to)})`;
}

/** The token shown was given out before the password was changed, and the change was there before the call began. */
function staleLogin(op: Op, logins: ReadonlyMap<number, Op>, passwords: readonly Op[]): Violation | undefined {
  const login = op.login === undefined ? undefined : logins.get(op.login);
  if (login === undefined) return undefined;
  const change = passwords.find(({ step: { source }, call, ret }) => {
    const isOwn = source.op === "auth" && source.change === "changePassword" && source.user === op.user;
    return isOwn && call > login.ret && ret < op.call;
  });
  if (change === undefined) return undefined;
  const text = `${opText(op)} at ${op.member} was accepted with the token of ${opText(login)}, given out before ${opText(change)}`;
  return { rule: "token-outlives-password", text, calls: [op.id, login.id, change.id], watches: [] };
}

// ---- keys of leases --------------------------------------------------------------------------------------------

interface Attachment {
  readonly key: string;
  readonly put: Op;
  /** Whatever may have taken the key off its lease again. */
  readonly touched: readonly Op[];
}

/** By lease. Only plain puts count: of a transaction one would have to know which branch ran. */
function attachmentsOf(ops: readonly Op[]): ReadonlyMap<string, readonly Attachment[]> {
  const changes = ops.filter(({ outcome }) => outcome !== "failed").flatMap(changesOf);
  const found = new Map<string, Attachment[]>();
  for (const put of ops) {
    const { source } = put.step;
    if (source.op !== "put" || put.outcome !== "ok" || (source.lease ?? "0") === "0") continue;
    const { key, lease = "0" } = source;
    const touches = ({ op, revoked, written }: KeyChange): boolean =>
      op !== put &&
      (revoked === lease || written.some(({ from, to }) => key >= from && (to === undefined || key < to)));
    const touched = changes.filter(touches).map(({ op }) => op);
    found.set(lease, [...(found.get(lease) ?? []), { key, put, touched }]);
  }
  return found;
}

/** What an operation may do to keys of leases. */
interface KeyChange {
  readonly op: Op;
  readonly revoked: string | undefined;
  readonly written: readonly Stretch[];
}

function changesOf(op: Op): readonly KeyChange[] {
  const { source } = op.step;
  switch (source.op) {
    case "leaseRevoke":
      return [{ op, revoked: source.lease, written: [] }];
    case "put":
    case "deleteRange":
    case "txn":
      return [{ op, revoked: undefined, written: needsOf(source).filter(({ bit }) => bit === "write") }];
    default:
      return [];
  }
}

function leaseNeeds(
  source: KvOperation,
  keysOfLease: ReadonlyMap<string, readonly Attachment[]>,
  { from, to }: Window,
): readonly Need[] {
  return leasesOf(source).flatMap((lease) =>
    (keysOfLease.get(lease) ?? [])
      .filter(
        ({ put, touched }) => put.ret < from && !touched.some((op) => op.call <= to && windowOf(op).to > put.call),
      )
      .map(({ key }): Need => ({ bit: "write", ...stretchOf({ key }) })),
  );
}

function leasesOf(operation: KvOperation): readonly string[] {
  if (operation.op === "put") return (operation.lease ?? "0") === "0" ? [] : [operation.lease ?? "0"];
  return operation.op === "txn" ? [...operation.success, ...operation.failure].flatMap(leasesOf) : [];
}
