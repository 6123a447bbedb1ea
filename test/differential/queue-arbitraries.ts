/*
 * Sequences over locks and elections: a few clients, each with a lease of its own, wait for their turn on a few names,
 * let go, give up, or lose their lease; others ask who leads, or speak in the leader's name.
 */
import * as fc from "fast-check";
import type { Plain } from "./messages.ts";
import type { Sequence, Step } from "./steps.ts";

const leases = [0x11, 0x12, 0x13] as const;
/** The last of them was never granted. */
const lease = fc.constantFrom<number>(...leases, ...leases, 0x7f);
const lockName = fc.constantFrom("l", "m");
const electionName = fc.constantFrom("e", "f");
const hex = (id: number): string => id.toString(16);

const call = (method: string, request: Plain): Step => ({ do: "call", method, request });

const lock = fc
  .tuple(lockName, lease)
  .map(([name, id]): Step => ({ do: "queue", method: "Lock", label: `${name}${hex(id)}`, name, lease: id }));
const unlock = fc.tuple(lockName, lease).map(([name, id]) => call("Unlock", { key: `${name}/${hex(id)}` }));
const campaign = fc.tuple(electionName, lease, fc.constantFrom("v", "w")).map(
  ([name, id, value]): Step => ({
    do: "queue",
    method: "Campaign",
    label: `${name}${hex(id)}`,
    name,
    lease: id,
    value,
  }),
);

/** Mostly that of a key which is there. */
const leader = fc.tuple(electionName, lease, fc.integer({ min: 0, max: 9 })).map(([name, id, draw]): Plain => {
  const key = `${name}/${hex(id)}`;
  return { name, key, lease: id, rev: draw === 0 ? 1 : { createOf: key } };
});
const given = leader.map((drawn): { readonly [field: string]: Plain } => ({ leader: drawn }));
const proclaim = fc
  .tuple(
    fc.oneof({ weight: 9, arbitrary: given }, { weight: 1, arbitrary: fc.constant({}) }),
    fc.constantFrom("x", "y"),
  )
  .map(([of, value]) => call("Proclaim", { ...of, value }));
const resign = fc
  .oneof({ weight: 9, arbitrary: given }, { weight: 1, arbitrary: fc.constant({}) })
  .map((of) => call("Resign", of));
const whoLeads = electionName.map((name) => call("Leader", { name }));
const giveUp = fc
  .tuple(fc.oneof(lockName, electionName), lease)
  .map(([name, id]): Step => ({ do: "giveUp", label: `${name}${hex(id)}` }));
const revoke = lease.map((ID) => call("LeaseRevoke", { ID }));
const grant = lease.filter((id) => id !== 0x7f).map((ID) => call("LeaseGrant", { ID, TTL: 1_000 }));
/** Shows the keys, and tells the run at which revision each was created. */
const look = fc.oneof(lockName, electionName).map((name) => call("Range", { key: `${name}/`, rangeEnd: `${name}0` }));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: lock },
  { weight: 4, arbitrary: unlock },
  { weight: 6, arbitrary: campaign },
  { weight: 3, arbitrary: proclaim },
  { weight: 4, arbitrary: resign },
  { weight: 2, arbitrary: whoLeads },
  { weight: 2, arbitrary: giveUp },
  { weight: 2, arbitrary: revoke },
  { weight: 1, arbitrary: grant },
  { weight: 4, arbitrary: look },
);

export const queueSequences: fc.Arbitrary<Sequence> = fc
  .array(
    step.map((each): readonly Step[] => [each]),
    { minLength: 1, maxLength: 24, size: "max" },
  )
  .map((steps): Sequence => [leases.map((ID) => call("LeaseGrant", { ID, TTL: 1_000 })), ...steps]);
