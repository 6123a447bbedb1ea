/*
 * Sequences over keys, leases, watches, compaction and alarms, as messages of etcd's own shape: also what no client of
 * ours would send (operands of another target, operations with nothing in them, numbers outside their enum).
 * Leases live long or not at all: what ends while a sequence runs ends at another moment at each server, and has
 * a sequence of its own (differential.test.ts).
 */
import * as fc from "fast-check";
import { keyTexts } from "../kit/request-arbitraries.ts";
import type { Plain } from "./messages.ts";
import { alone, type Sequence, type Step } from "./steps.ts";

type Fields = { readonly [field: string]: Plain };

/** Fewer operations than a sequence's transactions like to have: both servers are started with this bound. */
export const txnOperationsMax = 6;

const key: fc.Arbitrary<string> = fc.constantFrom(...keyTexts);
const anyKey = fc.oneof({ weight: 40, arbitrary: key }, { weight: 1, arbitrary: fc.constant("") });
const rangeEnd = fc.constantFrom("\0", "a\0", "b", "b\0", "c", "\xff", "zz");
const value = fc.constantFrom("", "x", "y", "zz");
const leaseIds: readonly number[] = [1, 2, 3, -5];
const lease: fc.Arbitrary<Plain> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom<Plain>(...leaseIds) },
  { weight: 1, arbitrary: fc.constantFrom<Plain>(0x7fff_ffff_ffff_ffffn, -0x8000_0000_0000_0000n) },
  { weight: 2, arbitrary: fc.nat(2).map((granted): Plain => ({ granted })) },
);
const flag = fc.constant(true);

/** A revision to read at: mostly one that is there. */
const revision: fc.Arbitrary<Plain> = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -8, max: 0 }).map((current): Plain => ({ current })) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 3 }).map((current): Plain => ({ current })) },
  { weight: 3, arbitrary: fc.integer({ min: -1, max: 2 }).map((compacted): Plain => ({ compacted })) },
  { weight: 1, arbitrary: fc.integer({ min: -2, max: 9 }).map((base): Plain => ({ base })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Plain>(1, -1, -7, 0x7fff_ffff_ffff_ffffn, -0x8000_0000_0000_0000n),
  },
);
/** To compare or to filter with: mostly one that some key has. */
const keyRevision: fc.Arbitrary<Plain> = fc.oneof(
  { weight: 4, arbitrary: key.map((modOf): Plain => ({ modOf })) },
  { weight: 3, arbitrary: key.map((createOf): Plain => ({ createOf })) },
  { weight: 3, arbitrary: revision },
  { weight: 2, arbitrary: fc.constant<Plain>(0) },
);

/** Fields that are mostly left out: each is there once in so many messages. */
function sparse(chances: { readonly [field: string]: readonly [number, fc.Arbitrary<Plain>] }): fc.Arbitrary<Fields> {
  const fields = Object.entries(chances).map(([name, [oneIn, arbitrary]]) =>
    fc
      .tuple(fc.integer({ min: 1, max: oneIn }), arbitrary)
      .map(([draw, drawn]): readonly [string, Plain] | undefined => (draw === oneIn ? [name, drawn] : undefined)),
  );
  return fc
    .tuple(...fields)
    .map((drawn) => Object.fromEntries(drawn.filter((each): each is readonly [string, Plain] => each !== undefined)));
}

const with_ = (first: fc.Arbitrary<Fields>, second: fc.Arbitrary<Fields>): fc.Arbitrary<Fields> =>
  fc.tuple(first, second).map(([a, b]) => ({ ...a, ...b }));

const range = with_(
  fc.record({ key: anyKey }),
  sparse({
    rangeEnd: [2, rangeEnd],
    limit: [3, fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(-1, 1_000))],
    revision: [3, revision],
    sortOrder: [3, fc.constantFrom(1, 2)],
    sortTarget: [3, fc.constantFrom(1, 2, 3, 4)],
    serializable: [4, flag],
    keysOnly: [6, flag],
    countOnly: [8, flag],
    minModRevision: [8, keyRevision],
    maxModRevision: [8, keyRevision],
    minCreateRevision: [8, keyRevision],
    maxCreateRevision: [8, keyRevision],
  }),
);
const put = with_(
  fc.record({ key: anyKey }),
  sparse({
    value: [1, value],
    lease: [3, lease],
    prevKv: [2, flag],
    ignoreValue: [8, flag],
    ignoreLease: [8, flag],
  }),
).chain((fields) =>
  // Both at once are refused before anything is looked at; mostly the legal form is wanted.
  fc.integer({ min: 0, max: 3 }).map((draw) => (draw === 0 ? fields : legalPut(fields))),
);
function legalPut(fields: Fields): Fields {
  const { value: given, lease: bound, ...rest } = fields;
  return {
    ...rest,
    ...(given === undefined || fields["ignoreValue"] === true ? {} : { value: given }),
    ...(bound === undefined || fields["ignoreLease"] === true ? {} : { lease: bound }),
  };
}
const deleteRange = with_(fc.record({ key: anyKey }), sparse({ rangeEnd: [3, rangeEnd], prevKv: [2, flag] }));

const version = fc.oneof(fc.nat(4), fc.constantFrom(-1, 1_000_000));
const operand: fc.Arbitrary<Fields> = fc.oneof(
  fc.record({ target: fc.constant(0), version }),
  fc.record({ target: fc.constant(1), createRevision: keyRevision }),
  fc.record({ target: fc.constant(2), modRevision: keyRevision }),
  fc.record({ target: fc.constant(3), value }),
  fc.record({ target: fc.constant(4), lease }),
);
/** Of another target than the compare's, of no target there is, or absent. */
const wrongOperand: fc.Arbitrary<Fields> = with_(
  fc.record({ target: fc.constantFrom(0, 1, 2, 3, 4, 9) }),
  fc.oneof(fc.constant<Fields>({}), fc.record({ version }), fc.record({ value }), fc.record({ lease })),
);
const compare = with_(
  with_(
    fc.record({ key: anyKey }),
    fc.oneof({ weight: 12, arbitrary: operand }, { weight: 1, arbitrary: wrongOperand }),
  ),
  sparse({ result: [2, fc.constantFrom(0, 1, 2, 3, 3, 7)], rangeEnd: [4, rangeEnd] }),
);

/** Nested up to so many levels. */
function txn(depth: number): fc.Arbitrary<Fields> {
  const nested =
    depth === 0 ? [] : [{ weight: 3, arbitrary: txn(depth - 1).map((requestTxn): Fields => ({ requestTxn })) }];
  const operation: fc.Arbitrary<Fields> = fc.oneof(
    { weight: 4, arbitrary: range.map((requestRange): Fields => ({ requestRange })) },
    { weight: 6, arbitrary: put.map((requestPut): Fields => ({ requestPut })) },
    { weight: 3, arbitrary: deleteRange.map((requestDeleteRange): Fields => ({ requestDeleteRange })) },
    { weight: 1, arbitrary: fc.constant<Fields>({}) },
    ...nested,
  );
  const few = { maxLength: 3, size: "max" } as const;
  const usual: fc.Arbitrary<Fields> = fc.record({
    compare: fc.array(compare, { maxLength: 2 }),
    success: fc.array(operation, few),
    failure: fc.array(operation, few),
  });
  const large: fc.Arbitrary<Fields> = fc.record({
    compare: fc.array(compare, { maxLength: txnOperationsMax + 1 }),
    success: fc.array(operation, { maxLength: txnOperationsMax + 1, size: "max" }),
  });
  const readOnly: fc.Arbitrary<Fields> = fc.record({
    compare: fc.array(compare, { maxLength: 2 }),
    success: fc.array(
      range.map((requestRange): Fields => ({ requestRange })),
      few,
    ),
    failure: fc.array(
      range.map((requestRange): Fields => ({ requestRange })),
      few,
    ),
  });
  return fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: large }, { weight: 2, arbitrary: readOnly });
}

// ---- steps -----------------------------------------------------------------------------------------------------

const call = (method: string, request: fc.Arbitrary<Plain>): fc.Arbitrary<Step> =>
  request.map((drawn): Step => ({ do: "call", method, request: drawn }));

const compactTo: fc.Arbitrary<Plain> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -6, max: 0 }).map((current): Plain => ({ current })) },
  { weight: 1, arbitrary: revision },
);
const compact = call("Compact", with_(fc.record({ revision: compactTo }), sparse({ physical: [2, flag] })));

/** Never so short that it could end while a sequence runs. */
const ttl = fc.constantFrom<Plain>(1_000, 5_000, 9_000_000_000, 9_000_000_001, 0x7fff_ffff_ffff_ffffn);
const grant = call(
  "LeaseGrant",
  with_(fc.record({ TTL: ttl }), sparse({ ID: [1, fc.constantFrom<Plain>(...leaseIds)] })),
);
const grantChosen = call("LeaseGrant", fc.record({ TTL: fc.constantFrom<Plain>(1_000, 7_777) }));
/** Raised to the least time to live, and gone before that is over. */
const shortGrant: fc.Arbitrary<readonly Step[]> = fc
  .tuple(fc.constantFrom<Plain>(-0x8000_0000_0000_0000n, -1, 0, 1, 2), fc.constantFrom(81, 82))
  .map(([TTL, ID]): readonly Step[] => [
    { do: "call", method: "LeaseGrant", request: { TTL, ID } },
    { do: "call", method: "LeaseRevoke", request: { ID } },
  ]);
const revoke = call("LeaseRevoke", fc.record({ ID: lease }));
const timeToLive = call("LeaseTimeToLive", with_(fc.record({ ID: lease }), sparse({ keys: [2, flag] })));
const leases = call("LeaseLeases", fc.constant<Plain>({}));
const keepAlive: fc.Arbitrary<Step> = fc
  .array(lease, { minLength: 1, maxLength: 3 })
  .map((ids): Step => ({ do: "keepAlive", leases: ids }));

/** Not below 0: etcd 3.4 gives such a watch an id, and all later ids would differ. */
const startRevision = revision.filter((drawn) => !(Number(drawn) < 0));
const stream = fc.nat(1);
const watch: fc.Arbitrary<Step> = fc
  .tuple(
    stream,
    with_(
      fc.record({ key: fc.oneof({ weight: 12, arbitrary: key }, { weight: 1, arbitrary: fc.constant("") }) }),
      sparse({
        rangeEnd: [2, rangeEnd],
        startRevision: [2, startRevision],
        filters: [4, fc.array(fc.constantFrom(0, 1, 0, 1, 7), { minLength: 1, maxLength: 2 })],
        prevKv: [2, flag],
        watchId: [4, fc.constantFrom<Plain>(1, 2, 5, -3)],
        progressNotify: [6, flag],
        fragment: [8, flag],
      }),
    ),
  )
  .map(([number, request]): Step => ({ do: "watch", stream: number, request: visible(request) }));
/** A watch that shows nothing never tells how far it is, so it does not begin in the past. */
function visible(request: Fields): Fields {
  const { filters, startRevision: _, ...rest } = request;
  return Array.isArray(filters) && filters.includes(0) && filters.includes(1) ? { ...rest, filters } : request;
}
const negativeWatch: fc.Arbitrary<Step> = fc
  .tuple(key, fc.constantFrom<Plain>(-1, -9, -0x8000_0000_0000_0000n))
  .map(([from, start]): Step => ({ do: "watch", stream: alone, request: { key: from, startRevision: start } }));
const cancelWatch: fc.Arbitrary<Step> = fc
  .tuple(stream, fc.constantFrom(0, 0, 1, 1, 2, 5, 9, -3))
  .map(([number, watchId]): Step => ({ do: "cancelWatch", stream: number, watchId }));
const progress: fc.Arbitrary<Step> = stream.map((number): Step => ({ do: "progress", stream: number }));

const memberId: fc.Arbitrary<Plain> = fc.constantFrom<Plain>({ self: true }, 7, 0xffff_ffff_ffff_fff0n);
const alarm = (action: number): fc.Arbitrary<Step> =>
  call("Alarm", fc.record({ action: fc.constant(action), memberID: memberId, alarm: fc.constantFrom(0, 1, 2) }));
const alarmGet = call("Alarm", sparse({ memberID: [2, memberId], alarm: [2, fc.constantFrom(0, 1, 2)] }));
const status = call("Status", fc.constant<Plain>({}));
const memberList = call("MemberList", sparse({ linearizable: [2, flag] }));
const hashKv = call("HashKV", sparse({ revision: [2, revision] }));

/**
 * Without watches, compactions or an end inside: those need that puts are accepted. And without nested transactions,
 * whose puts etcd does not count (`avoided.ts`).
 */
const underAlarm = fc.oneof(
  { weight: 3, arbitrary: call("Put", put) },
  { weight: 2, arbitrary: call("Range", range) },
  { weight: 2, arbitrary: call("DeleteRange", deleteRange) },
  { weight: 3, arbitrary: call("Txn", txn(0)) },
  { weight: 1, arbitrary: grant },
  { weight: 1, arbitrary: revoke },
  { weight: 1, arbitrary: timeToLive },
  { weight: 1, arbitrary: keepAlive },
  { weight: 1, arbitrary: alarmGet },
  { weight: 1, arbitrary: status },
);
const alarmBlock: fc.Arbitrary<readonly Step[]> = fc
  .tuple(fc.constantFrom(1, 2), memberId, fc.array(underAlarm, { maxLength: 6 }))
  .map(([type, memberID, steps]): readonly Step[] => [
    { do: "call", method: "Alarm", request: { action: 1, memberID, alarm: type } },
    ...steps,
    { do: "call", method: "Alarm", request: { action: 2, memberID, alarm: type } },
  ]);

const single: fc.Arbitrary<Step> = fc.oneof(
  { weight: 24, arbitrary: call("Put", put) },
  { weight: 16, arbitrary: call("Range", range) },
  { weight: 8, arbitrary: call("DeleteRange", deleteRange) },
  { weight: 22, arbitrary: call("Txn", txn(2)) },
  { weight: 3, arbitrary: compact },
  { weight: 5, arbitrary: grant },
  { weight: 1, arbitrary: grantChosen },
  { weight: 3, arbitrary: revoke },
  { weight: 3, arbitrary: timeToLive },
  { weight: 1, arbitrary: leases },
  { weight: 2, arbitrary: keepAlive },
  { weight: 5, arbitrary: watch },
  { weight: 2, arbitrary: cancelWatch },
  { weight: 1, arbitrary: negativeWatch },
  { weight: 1, arbitrary: progress },
  { weight: 1, arbitrary: alarm(2) },
  { weight: 1, arbitrary: alarmGet },
  { weight: 1, arbitrary: status },
  { weight: 1, arbitrary: memberList },
  { weight: 1, arbitrary: hashKv },
);

/** @param length of most sequences, in groups */
export const dataSequences = (length: number): fc.Arbitrary<Sequence> =>
  fc.array(
    fc.oneof(
      { weight: 60, arbitrary: single.map((step): readonly Step[] => [step]) },
      { weight: 1, arbitrary: alarmBlock },
      { weight: 1, arbitrary: shortGrant },
    ),
    { minLength: 1, maxLength: length, size: "max" },
  );
