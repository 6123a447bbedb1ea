/*
 * The shape of a plan, field by field: plan.ts as something a program can hold a file against.
 */
import { memberConfigFields } from "../core/index.ts";
import { faultMeanings } from "./faults.ts";
import { sights } from "./history.ts";
import { planFormat, planVersion } from "./plan.ts";
import {
  byTag,
  bytes,
  either,
  type Fields,
  isRecord,
  later,
  listOf,
  name,
  objectOf,
  oneOfTexts,
  type Shape,
  shown,
  trueOrFalse,
  wholeNumber,
} from "./shape.ts";

/** A day; longer runs are nobody's intention. */
const milliseconds = wholeNumber({ min: 0, max: 86_400_000 });
const anyMs = wholeNumber({ min: -86_400_000_000, max: 86_400_000_000 });
const partsPerMillion = wholeNumber({ min: 0, max: 1_000_000 });
const revision = wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER });
const number = wholeNumber({ min: 1, max: Number.MAX_SAFE_INTEGER });

const leaseMax = 2n ** 63n - 1n;
/** 1..2^63−1: a member picks the id when it is 0, and a plan must know it. */
const lease: Shape = (value, place) =>
  typeof value === "string" && /^[0-9]{1,19}$/.test(value) && BigInt(value) > 0n && BigInt(value) <= leaseMax
    ? undefined
    : { place, problem: `${shown(value)} is no lease id`, remedy: "write a decimal text in 1..2^63−1" };

// ---- operations ------------------------------------------------------------------------------------------------

const op = oneOfTexts([
  "range",
  "put",
  "deleteRange",
  "txn",
  "compact",
  "leaseGrant",
  "leaseRevoke",
  "leaseKeepAlive",
  "leaseTimeToLive",
  "hashKv",
  "look",
  "auth",
  "login",
]);

const rangeOptions: Fields = {
  rangeEnd: bytes,
  limit: wholeNumber({ min: 0, max: 1_000_000_000 }),
  serializable: trueOrFalse,
  keysOnly: trueOrFalse,
  countOnly: trueOrFalse,
  sortOrder: oneOfTexts(["ascend", "descend"]),
  sortTarget: oneOfTexts(["key", "version", "create", "mod", "value"]),
};
const range = either(
  {
    yes: objectOf({ op, key: bytes, revisionBack: revision }, rangeOptions),
    no: objectOf({ op, key: bytes }, { ...rangeOptions, revision }),
  },
  (value) => isRecord(value) && Object.hasOwn(value, "revisionBack"),
);

const operand: { readonly [target: string]: Shape } = {
  version: revision,
  create: revision,
  mod: revision,
  value: bytes,
  lease: (value, place) => (value === "0" ? undefined : lease(value, place)),
};
const lastSeen = objectOf({ lastSeen: oneOfTexts(["mod", "value", "version"]) });
const compareOf = (target: string, own: Shape): Shape => {
  const filledIn = either({ yes: lastSeen, no: own }, isRecord);
  return objectOf(
    {
      target: oneOfTexts([target]),
      result: oneOfTexts(["equal", "greater", "less", "notEqual"]),
      key: bytes,
      operand: filledIn,
    },
    { rangeEnd: bytes },
  );
};
const compare = byTag(
  "target",
  Object.fromEntries(Object.entries(operand).map(([target, own]) => [target, compareOf(target, own)])),
);

const branch = listOf(later(() => kvOperation));
const kvShapes: { readonly [op: string]: Shape } = {
  range,
  put: objectOf({ op, key: bytes, value: bytes }, { lease, prevKv: trueOrFalse }),
  deleteRange: objectOf({ op, key: bytes }, { rangeEnd: bytes, prevKv: trueOrFalse }),
  txn: objectOf({ op, compares: listOf(compare), success: branch, failure: branch }),
};
const kvOperation = byTag("op", kvShapes);

const change = oneOfTexts([
  "enable",
  "addUser",
  "changePassword",
  "addRole",
  "grantRole",
  "revokeRole",
  "grantRange",
  "revokeRange",
]);
const withPassword = objectOf({ op, change, user: name, password: name });
const withRole = objectOf({ op, change, user: name, role: name });
const right = oneOfTexts(["read", "write", "readWrite"]);
const authShapes: { readonly [change: string]: Shape } = {
  enable: objectOf({ op, change }),
  addUser: withPassword,
  changePassword: withPassword,
  addRole: objectOf({ op, change, role: name }),
  grantRole: withRole,
  revokeRole: withRole,
  grantRange: objectOf({ op, change, role: name, right, key: bytes }, { rangeEnd: bytes }),
  revokeRange: objectOf({ op, change, role: name, key: bytes }, { rangeEnd: bytes }),
};

const operation = byTag("op", {
  ...kvShapes,
  compact: objectOf({ op, revisionBack: revision }, { physical: trueOrFalse }),
  leaseGrant: objectOf({ op, lease, ttlSeconds: wholeNumber({ min: 1, max: 9_000_000_000 }) }),
  leaseRevoke: objectOf({ op, lease }),
  leaseKeepAlive: objectOf({ op, lease }),
  leaseTimeToLive: objectOf({ op, lease }, { keys: trueOrFalse }),
  hashKv: objectOf({ op, revision }),
  look: objectOf({ op, at: oneOfTexts(sights) }),
  auth: byTag("change", authShapes),
  login: objectOf({ op, user: name, password: name }),
});

// ---- faults ----------------------------------------------------------------------------------------------------

const linkLaw = objectOf({
  minDelayMs: milliseconds,
  maxDelayMs: milliseconds,
  lossPpm: partsPerMillion,
  duplicatePpm: partsPerMillion,
  reorderPpm: partsPerMillion,
});

const faultFields: { readonly [Name in keyof typeof faultMeanings]: Fields } = {
  kill: { target: name, powerLoss: trueOrFalse },
  killAll: { powerLoss: trueOrFalse },
  restart: { target: name },
  pause: { target: name },
  resume: { target: name },
  isolate: { target: name },
  cutOneWay: { from: name, to: name },
  partition: { groups: listOf(listOf(name)) },
  healNetwork: {},
  linkLaw: { law: linkLaw },
  copyDisk: { target: name, label: name },
  restoreDisk: { label: name },
  wipeDisk: { target: name },
  clockJump: { target: name, byMs: anyMs },
  clockDrift: { target: name, ppm: wholeNumber({ min: -999_999, max: 1_000_000 }) },
  slowDisk: { target: name, byMs: milliseconds },
  fillDisk: { target: name },
  defragment: { target: name },
  disarmAlarms: {},
  failSync: { target: name, persistent: trueOrFalse },
  damageLog: { target: name },
  flipValue: { target: name },
  mendDisk: { target: name },
  clogLinks: { target: name },
  addMember: { target: name, learner: trueOrFalse },
  removeMember: { target: name },
  promoteMember: { target: name },
  changeMembers: {
    add: listOf(name),
    addLearners: listOf(name),
    remove: listOf(name),
    promote: listOf(name),
    demote: listOf(name),
  },
  transferLeader: { target: name },
  healCore: { members: listOf(name) },
  healAll: {},
};
const faultName = oneOfTexts(Object.keys(faultMeanings));
const fault = byTag(
  "fault",
  Object.fromEntries(Object.entries(faultFields).map(([key, own]) => [key, objectOf({ fault: faultName, ...own })])),
);

// ---- members, clients, the whole -------------------------------------------------------------------------------

const config = objectOf(
  {},
  Object.fromEntries(
    Object.entries(memberConfigFields).map(([field, known]) => [
      field,
      known.kind === "switch" ? trueOrFalse : wholeNumber({ min: known.min, max: known.max }),
    ]),
  ),
);

const member = objectOf(
  {
    name,
    config,
    clockOffsetMs: anyMs,
    clockDriftPpm: wholeNumber({ min: -999_999, max: 1_000_000 }),
  },
  { joins: trueOrFalse },
);

const home = wholeNumber({ min: 0, max: 1_000 });
const client = objectOf(
  {
    client: number,
    home,
    timeoutMs: wholeNumber({ min: 1, max: 86_400_000 }),
    failover: trueOrFalse,
    calls: listOf(objectOf({ id: number, atMs: milliseconds, operation })),
  },
  { requireLeader: trueOrFalse, user: name },
);

const watch = objectOf(
  {
    client: number,
    home,
    atMs: milliseconds,
    key: bytes,
    prevKv: trueOrFalse,
    noPut: trueOrFalse,
    noDelete: trueOrFalse,
    progressNotify: trueOrFalse,
    progressRequestMs: milliseconds,
    slowByMs: milliseconds,
  },
  { rangeEnd: bytes, startRevision: number, asksAtOnce: trueOrFalse, cancelAfterMs: milliseconds, user: name },
);

/** The whole plan, names not yet compared with one another. */
export const planShape = objectOf(
  {
    format: oneOfTexts([planFormat]),
    version: wholeNumber({ min: planVersion, max: planVersion }),
    scenario: name,
    seed: wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    members: listOf(member),
    link: linkLaw,
    syncMs: objectOf({ min: milliseconds, max: milliseconds }),
    faults: listOf(objectOf({ atMs: milliseconds, fault })),
    clients: listOf(client),
    watches: listOf(watch),
    phases: objectOf(
      { safetyMs: milliseconds, progressBoundMs: milliseconds, settleMs: milliseconds },
      { core: listOf(name) },
    ),
    checks: listOf(name),
  },
  { meant: objectOf({ violated: name, withinSeeds: wholeNumber({ min: 1, max: Number.MAX_SAFE_INTEGER }) }) },
);
