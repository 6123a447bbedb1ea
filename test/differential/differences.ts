/*
 * Where our answers and those of a stock etcd 3.4.23 differ on purpose: one entry each, with its reason. An entry
 * explains a difference by making our answer into etcd's; what is left unequal is a failure. How often each was needed
 * is counted, so that one that never is can be taken out.
 */
import { refusals } from "../../core/errors.ts";
import { type Plain, printed } from "./messages.ts";
import { isFields } from "./normal-form.ts";
import type { Seen } from "./steps.ts";

type Fields = { readonly [field: string]: Plain };

export interface Difference {
  readonly name: string;
  /** Why both are right, or why etcd 3.4 is wrong. */
  readonly reason: string;
  /** Ours as etcd 3.4 would say it; undefined where this entry has nothing to say. */
  asStock(answer: { readonly ours: Plain; readonly stock: Plain; readonly step: string }): Plain | undefined;
}

/** Every answer to that method. */
const ofMethod =
  (method: string, change: (ours: Fields, stock: Plain) => Plain | undefined): Difference["asStock"] =>
  ({ ours, stock, step }) =>
    step.endsWith(` ${method}`) && isFields(ours) ? change(ours, stock) : undefined;

const without = (fields: Fields, ...names: readonly string[]): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));

const textIn = (answer: Plain): string => (isFields(answer) ? String(answer["text"] ?? "") : "");
const rangeRefusals: ReadonlySet<string> = new Set([refusals.compacted.text, refusals.futureRevision.text]);
const rightsRefusals: ReadonlySet<string> = new Set(
  [refusals.userEmpty, refusals.permissionDenied, refusals.invalidAuthToken, refusals.authOldRevision].map(
    ({ text }) => text,
  ),
);
const putRefusals: ReadonlySet<string> = new Set([refusals.keyNotFound.text, refusals.leaseNotFound.text]);

export const differences: readonly Difference[] = [
  {
    name: "alarm-header",
    reason: "since 3.5 an answer to Alarm has a header like any other; 3.4 sends none",
    asStock: ofMethod("Alarm", (ours) => without(ours, "header")),
  },
  {
    name: "hash-at-compacted-revision",
    reason: "a hash of exactly the compacted revision is given since 3.6; 3.4 counts that revision as compacted",
    asStock: ofMethod("HashKV", (ours, stock) =>
      textIn(stock) === refusals.compacted.text && ours["compactRevision"] === ours["hashRevision"] ? stock : undefined,
    ),
  },
  {
    name: "hash-revision",
    reason: "HashKVResponse.hash_revision is new in 3.6",
    asStock: ofMethod("HashKV", (ours) => without(ours, "hashRevision")),
  },
  {
    name: "status-fields",
    reason: "storageVersion, dbSizeQuota and downgradeInfo of a status are new in 3.6",
    asStock: ofMethod("Status", (ours) => without(ours, "storageVersion", "dbSizeQuota", "downgradeInfo")),
  },
  {
    name: "calls-since-3.5",
    reason: "Downgrade and AuthStatus came with 3.5; 3.4 knows no such methods",
    asStock: ({ ours, stock, step }) =>
      /^\d+ (?:Downgrade|AuthStatus)$/.test(step) &&
      isFields(stock) &&
      stock["code"] === "UNIMPLEMENTED" &&
      isFields(ours)
        ? stock
        : undefined,
  },
  {
    name: "unknown-sort-order",
    reason: "3.6 refuses an order there is not; to 3.4 it is none",
    asStock: ({ ours, stock, step }) =>
      step.endsWith(" Range") && textIn(ours) === refusals.invalidSortOption.text && textIn(stock) === ""
        ? stock
        : undefined,
  },
  {
    name: "hash-remembered-from-a-compaction",
    reason:
      "of a revision that was compacted to, 3.6 gives the hash made then, with the compaction before it; ours is made now",
    asStock: ofMethod("HashKV", (ours, stock) =>
      isFields(stock) &&
      ours["compactRevision"] === ours["hashRevision"] &&
      stock["hashRevision"] === ours["hashRevision"]
        ? stock
        : undefined,
    ),
  },
  {
    name: "txn-check-order",
    reason: "3.6 checks the operations of a transaction in their order; 3.4 all puts first, and then all ranges",
    asStock: ({ ours, stock, step }) =>
      step.endsWith(" Txn") && rangeRefusals.has(textIn(ours)) && putRefusals.has(textIn(stock)) ? stock : undefined,
  },
  {
    name: "rights-asked-since-3.5",
    reason: "3.4 shows leases, members, alarms and its status to anyone; 3.6 asks who it is, and what they may",
    asStock: ({ ours, stock, step }) =>
      /^\d+ (?:LeaseTimeToLive|LeaseLeases|MemberList|Status|Alarm)$/.test(step) &&
      rightsRefusals.has(textIn(ours)) &&
      textIn(stock) === ""
        ? stock
        : undefined,
  },
  {
    name: "maintenance-refusal-unmapped",
    reason:
      "3.4 lets refusals of Alarm and HashKV out as they are inside, as UNKNOWN; since 3.5 they go like all others",
    asStock: ({ ours, stock, step }) =>
      /^\d+ (?:Alarm|HashKV)$/.test(step) &&
      isFields(stock) &&
      stock["code"] === "UNKNOWN" &&
      textIn(stock) === textIn(ours).replace("etcdserver:", "auth:")
        ? stock
        : undefined,
  },
  {
    name: "root-role-shows-its-right",
    reason: "3.6 shows that role root may everything; 3.4 shows what was granted to it, which is usually nothing",
    asStock: ofMethod("RoleGet", (ours, stock) => {
      if (printed(ours["perm"]) !== '[{"permType":2,"rangeEnd":"\\u0000"}]' || !isFields(stock)) return undefined;
      const { perm } = stock;
      return { ...without(ours, "perm"), ...(perm === undefined ? {} : { perm }) };
    }),
  },
  {
    name: "lock-whose-key-went",
    reason: "since 3.5 a lock whose key went while it waited for its turn fails; 3.4 hands it out all the same",
    asStock: ({ ours, stock, step }) =>
      step.includes(" Lock (") && textIn(ours) === "mutex: session is expired" && textIn(stock) === ""
        ? stock
        : undefined,
  },
  {
    name: "negative-watch-start",
    reason: "3.6 refuses a watch from before revision 0; 3.4 creates it and then cancels it as compacted",
    asStock: ({ ours, stock, step }) => {
      if (!step.endsWith(" watch") || !Array.isArray(ours) || !Array.isArray(stock)) return undefined;
      const [refused] = ours as readonly Plain[];
      const [created, canceled] = stock as readonly Plain[];
      const isRefused =
        isFields(refused) && refused["watchId"] === -1n && refused["cancelReason"] === refusals.compacted.text;
      const isCanceled = isFields(canceled) && canceled["canceled"] === true && "compactRevision" in canceled;
      if (!isRefused || !isCanceled || !isFields(created) || stock.length !== 2) return undefined;
      return printed(created["header"]) === printed(refused["header"]) ? stock : undefined;
    },
  },
  {
    name: "tombstone-at-compacted-revision",
    reason: "a deletion exactly at the compacted revision is kept since 3.4.34; before, a watch from there misses it",
    asStock: ({ ours, step }) => {
      if (!/, watch -?\d+$/.test(step) || !isFields(ours) || !Array.isArray(ours["events"])) return undefined;
      const { compactedBefore } = ours;
      const events = (ours["events"] as readonly Plain[]).filter((event) => {
        const kv = isFields(event) && event["type"] === 1 ? event["kv"] : undefined;
        return !(isFields(kv) && kv["modRevision"] === compactedBefore);
      });
      return { ...ours, events };
    },
  },
];

/** The entries that make ours into etcd's; undefined when none do. Nothing is needed where both are equal. */
export function explain(ours: Seen, stock: Seen): readonly string[] | undefined {
  if (ours.step !== stock.step) return undefined;
  const wanted = printed(stock.outcome);
  let answer = ours.outcome;
  const needed: string[] = [];
  for (const { name, asStock } of differences) {
    if (printed(answer) === wanted) break;
    const changed = asStock({ ours: answer, stock: stock.outcome, step: ours.step });
    if (changed === undefined || printed(changed) === printed(answer)) continue;
    answer = changed;
    needed.push(name);
  }
  return printed(answer) === wanted ? needed : undefined;
}
