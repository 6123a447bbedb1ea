/*
 * Users at work while somebody changes what they may do. One client is root: it makes users and roles, switches auth on,
 * and goes on granting and revoking. The others are a user each, with rights that overlap, touch, leave gaps and have no
 * end; they do what clients do, log in now and then, and try leases that hold keys of others. About half of what they
 * ask is refused, as it should be.
 */
import type { Random } from "../../core/index.ts";
import { between, chance, oneOf } from "../chance.ts";
import type { AuthOperation } from "../history.ts";
import type { PlannedCall, PlannedClient, PlannedOperation } from "../plan.ts";
import type { DrawContext, Workload } from "../scenario.ts";
import { leases } from "./lease.ts";
import { mix } from "./mix.ts";
import { ranges, stretchDeletes } from "./range.ts";
import { deletes, gets, puts, serializableGets } from "./register.ts";
import { keyNames, type OperationSource, uniqueValue } from "./source.ts";
import { compareAndSets, wideTxns } from "./txn.ts";

const usersMax = 4;
const rolesMax = 4;
const keysMax = 10;
/** Root grants or revokes something about so often. */
const changeMs = 700;
/** Root's hand is slow where everything waits for a first leader, and must not be given up. */
const rootTimeoutMs = 8_000;

const userOf = (client: number): string => `u${((client - 1) % usersMax) + 1}`;
const roleOf = (number: number): string => `r${number + 1}`;
const passwords: readonly [string, ...string[]] = ["old", "new"];

/** Beyond the ids in lease.ts and lock.ts; they outlive every run. */
const sharedLeases: readonly [string, ...string[]] = ["9000000001", "9000000002"];
const sharedTtlSeconds = 600;
/** Keys that hang on the shared leases, and no workload touches otherwise. */
const ownedKey = (lease: string): string => `owned/${lease}`;

type Range = { readonly key: string; readonly rangeEnd?: string };

/** Ranges that overlap, touch, leave gaps, are a single key, or have no end. */
const rangesOfRoles: readonly [Range, ...Range[]] = [
  { key: "k00", rangeEnd: "k04" },
  { key: "k02", rangeEnd: "k06" },
  { key: "k06", rangeEnd: "k08" },
  { key: "k", rangeEnd: "l" },
  { key: "k05" },
  { key: "k09", rangeEnd: "\0" },
  { key: "lease/", rangeEnd: "lease0" },
  { key: "owned/", rangeEnd: "owned0" },
  { key: "k07", rangeEnd: "\0" },
];
const rights = ["read", "write", "readWrite", "readWrite"] as const;

const grantOf = (random: Random, role: string): AuthOperation => ({
  op: "auth",
  change: "grantRange",
  role,
  right: oneOf(random, rights),
  ...oneOf(random, rangesOfRoles),
});

/** Made one after the other before auth is switched on. */
function beginning(random: Random): PlannedOperation[] {
  const made: PlannedOperation[] = [
    { op: "auth", change: "addUser", user: "root", password: "root" },
    { op: "auth", change: "addRole", role: "root" },
    { op: "auth", change: "grantRole", user: "root", role: "root" },
  ];
  for (let number = 0; number < rolesMax; number++) {
    const role = roleOf(number);
    made.push({ op: "auth", change: "addRole", role });
    for (let grant = 0; grant < 3; grant++) made.push(grantOf(random, role));
  }
  for (let client = 1; client <= usersMax; client++) {
    const user = userOf(client);
    made.push({ op: "auth", change: "addUser", user, password: passwords[0] });
    made.push({ op: "auth", change: "grantRole", user, role: roleOf(client - 1) });
    made.push({ op: "auth", change: "grantRole", user, role: roleOf(client % rolesMax) });
  }
  for (const lease of sharedLeases) {
    made.push({ op: "leaseGrant", lease, ttlSeconds: sharedTtlSeconds });
    made.push({ op: "put", key: ownedKey(lease), value: `of ${lease}`, lease });
  }
  return [...made, { op: "auth", change: "enable" }];
}

/** What root does later on. */
function changeOf(random: Random): AuthOperation {
  const user = userOf(1 + random.below(usersMax));
  const role = roleOf(random.below(rolesMax));
  const drawn = random.below(100);
  if (drawn < 30) return grantOf(random, role);
  if (drawn < 48) return { op: "auth", change: "revokeRange", role, ...oneOf(random, rangesOfRoles) };
  if (drawn < 66) return { op: "auth", change: "grantRole", user, role };
  if (drawn < 78) return { op: "auth", change: "revokeRole", user, role };
  if (drawn < 97) return { op: "auth", change: "changePassword", user, password: oneOf(random, passwords) };
  return { op: "auth", change: "enable" };
}

/** Root alone writes in the end, if need be: somebody must be able to. */
function rootClient(context: DrawContext, { client, firstCall }: { client: number; firstCall: number }): PlannedClient {
  const random = context.random.fork("root");
  const begun = beginning(random.fork("beginning"));
  const calls: PlannedCall[] = begun.map((operation, position) => ({ id: firstCall + position, atMs: 1, operation }));
  const keys = keyNames(keysMax);
  for (let atMs = changeMs; atMs < context.callsUntilMs; atMs += between(random, { min: 1, max: 2 * changeMs })) {
    const id = firstCall + calls.length;
    const put = { op: "put", key: oneOf(random, keys), value: uniqueValue({ callId: id, random }) } as const;
    const compact = { op: "compact", revisionBack: between(random, { min: 0, max: 200 }) } as const;
    const own = chance(random, 20) ? compact : put;
    calls.push({ id, atMs, operation: chance(random, 35) ? own : changeOf(random) });
  }
  return { client, home: 0, timeoutMs: rootTimeoutMs, failover: true, user: "root", calls };
}

/** The user proves its password, the one it has or the other, and shows a token from then on. */
const logins = (weight: number): OperationSource => ({
  name: "logins",
  weight,
  begin:
    ({ client }) =>
    ({ random }) => ({ op: "login", user: userOf(client), password: oneOf(random, passwords) }),
});

/** A put on a lease that holds a key of somebody else. */
const leasedPuts = (weight: number): OperationSource => ({
  name: "leasedPuts",
  weight,
  begin:
    ({ keys }) =>
    (call) => ({
      op: "put",
      key: oneOf(call.random, keys),
      value: uniqueValue(call),
      lease: oneOf(call.random, sharedLeases),
    }),
});

const sources: readonly OperationSource[] = [
  puts(24),
  gets(18),
  compareAndSets(8),
  wideTxns(3),
  ranges(10),
  serializableGets(4),
  deletes(5),
  stretchDeletes(1),
  leases({ weight: 4, ttlSeconds: { min: 2, max: 8 } }),
  leasedPuts(4),
  logins(10),
];

/** Four users at eighty operations a second, root beside them, and watchers at each member. */
export const usersAtWork = (): Workload => (context) => {
  const { clients, watches } = mix({
    clients: usersMax,
    operationsPerSecond: 80,
    keys: keysMax,
    watchers: 2,
    sources,
    swarm: true,
  })(context);
  const numbers = [...clients, ...watches].map(({ client }) => client);
  const ids = clients.flatMap(({ calls }) => calls.map(({ id }) => id));
  const root = rootClient(context, { client: Math.max(...numbers) + 1, firstCall: Math.max(0, ...ids) + 1 });
  return {
    // Half of them keep to their member: a token is known to each member by itself, and may be known too long there.
    clients: [
      ...clients.map((client) => ({ ...client, user: userOf(client.client), failover: client.client % 2 === 0 })),
      root,
    ],
    // Watches tell the checkers what happened: they see everything.
    watches: watches.map((watch) => ({ ...watch, user: "root" })),
  };
};
