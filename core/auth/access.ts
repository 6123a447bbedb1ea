/*
 * Who may do what. One function answers for every call, be it judged at the member it came to (reads, housekeeping) or
 * by all members as its entry is applied (writes); both look at the identity the call came with. With auth off anyone
 * may do everything.
 *
 * A write needs rights on all it may touch or show: both branches of a transaction, whichever will run; the old value it
 * asks for; the other keys of a lease it hangs a key on, since they end with that lease.
 * Counterexample to the last: a user with one key of its own puts it on another's lease, lets it lapse, and has deleted
 * keys it may not write. Source: etcd v3 API, Auth, permission check.
 */
import { textOfBytes } from "../bytes.ts";
import type { RefusalName } from "../errors.ts";
import { type LeaseId, noLease } from "../ids.ts";
import type { DeleteRangeRequest, KeyRange, PutRequest, Request, TxnOperation, TxnRequest } from "../request.ts";
import type { AuthStore } from "./auth-store.ts";
import type { AuthCommand } from "./change.ts";
import type { Identity } from "./identity.ts";
import { everything, type UserRights } from "./rights.ts";

/** The leases as far as rights depend on them. */
export interface LeaseKeys {
  /** As texts. */
  keysOf(leaseId: LeaseId): readonly string[];
  readonly leaseIds: readonly LeaseId[];
}

/** What auth has against the call; undefined: nothing. */
export function refusalOfCall(
  auth: AuthStore,
  leases: LeaseKeys,
  identity: Identity,
  request: Request | AuthCommand,
): RefusalName | undefined {
  if (!auth.enabled || identity.type === "member") return undefined;
  switch (request.type) {
    case "authenticate":
      return undefined;
    case "auth":
      return request.change.type === "authenticate" ? undefined : refusalOfRoot(auth, identity);
    case "userGet":
      return isOwnUser(identity, request.name) ? undefined : refusalOfRoot(auth, identity);
    case "roleGet":
      return hasRole(auth, identity, request.role) ? undefined : refusalOfRoot(auth, identity);
    case "memberList":
    case "status":
    case "leaseGrant":
      return refusalOfUser(auth, identity);
    case "alarm":
      return request.action === "get" ? refusalOfUser(auth, identity) : refusalOfRoot(auth, identity);
    case "range":
    case "put":
    case "deleteRange":
    case "txn":
    case "leaseRevoke":
    case "leaseTimeToLive":
    case "leaseLeases": {
      if (identity.type === "anonymous" && request.type === "txn" && touchesNothing(request)) return undefined;
      const rights = rightsOf(auth, identity);
      if (typeof rights === "string") return rights;
      return rights === everything || isCovered(rights, leases, request) ? undefined : "permissionDenied";
    }
    default:
      // Whatever else there is, or comes to be, is for operators.
      return refusalOfRoot(auth, identity);
  }
}

/** A watch reads what it watches; it is asked once, when it is created. */
export function refusalOfWatch(auth: AuthStore, identity: Identity, range: KeyRange): RefusalName | undefined {
  if (!auth.enabled || identity.type === "member") return undefined;
  const rights = rightsOf(auth, identity);
  if (typeof rights === "string") return rights;
  return rights.read.coversRange(range) ? undefined : "permissionDenied";
}

/** A renewal keeps the lease's keys alive, so it needs the right to write them. */
export function refusalOfKeepAlive(
  auth: AuthStore,
  leases: LeaseKeys,
  identity: Identity,
  leaseId: LeaseId,
): RefusalName | undefined {
  if (!auth.enabled || identity.type === "member") return undefined;
  const rights = rightsOf(auth, identity);
  if (typeof rights === "string") return rights;
  return mayWriteLease(rights, leases, leaseId) ? undefined : "permissionDenied";
}

/** The keys of a lease are shown only to who may read them; asked again when the answer is there. */
export function refusalOfShownKeys(
  auth: AuthStore,
  identity: Identity,
  keys: readonly Uint8Array[],
): RefusalName | undefined {
  if (!auth.enabled || identity.type === "member") return undefined;
  const rights = rightsOf(auth, identity);
  if (typeof rights === "string") return rights;
  return keys.every((key) => rights.read.coversKey(textOfBytes(key))) ? undefined : "permissionDenied";
}

// ---- who it is -------------------------------------------------------------------------------------------------

/** The rights of a caller whose identity still holds, or why it does not. */
function rightsOf(auth: AuthStore, identity: Identity): UserRights | RefusalName {
  if (identity.type === "member") return everything;
  if (identity.type === "anonymous") return "userEmpty";
  if (identity.authRevision < auth.revision) return "authOldRevision";
  return auth.rightsOf(identity.name) ?? "permissionDenied";
}

function refusalOfUser(auth: AuthStore, identity: Identity): RefusalName | undefined {
  const rights = rightsOf(auth, identity);
  return typeof rights === "string" ? rights : undefined;
}

/** The age of the identity does not matter here: what counts is whether the user has the role now. */
export function refusalOfRoot(auth: AuthStore, identity: Identity): RefusalName | undefined {
  if (!auth.enabled || identity.type === "member") return undefined;
  if (identity.type === "anonymous" || identity.name === "") return "userEmpty";
  if (auth.user(identity.name) === undefined) return "userNotFound";
  return auth.isRoot(identity.name) ? undefined : "permissionDenied";
}

/** To etcd who shows nothing has the empty name, and may ask for the user of that name, whom there never is. */
const isOwnUser = (identity: Identity, name: string): boolean =>
  identity.type === "user" ? identity.name === name : name === "";

const hasRole = (auth: AuthStore, identity: Identity, role: string): boolean =>
  identity.type === "user" && auth.user(identity.name)?.roles.includes(role) === true;

// ---- what it touches -------------------------------------------------------------------------------------------

type Covered = Extract<
  Request,
  { readonly type: "range" | "put" | "deleteRange" | "txn" | "leaseRevoke" | "leaseTimeToLive" | "leaseLeases" }
>;

function isCovered(rights: UserRights, leases: LeaseKeys, request: Covered): boolean {
  switch (request.type) {
    case "leaseRevoke":
      return mayWriteLease(rights, leases, request.leaseId);
    case "leaseTimeToLive":
      return !request.keys || mayReadLease(rights, leases, request.leaseId);
    case "leaseLeases":
      return leases.leaseIds.every((leaseId) => mayReadLease(rights, leases, leaseId));
    default:
      return isOperationCovered(rights, leases, request);
  }
}

/** Neither compares nor operations, nested transactions aside: rights are asked for keys, and there are none. */
const touchesNothing = ({ compares, success, failure }: TxnRequest): boolean =>
  compares.length === 0 &&
  [success, failure].every((branch) =>
    branch.every((operation) => operation.type === "txn" && touchesNothing(operation)),
  );

function isOperationCovered(rights: UserRights, leases: LeaseKeys, operation: TxnOperation): boolean {
  switch (operation.type) {
    case "range":
      return rights.read.coversRange(operation);
    case "put":
      return isPutCovered(rights, leases, operation);
    case "deleteRange":
      return isDeleteCovered(rights, operation);
    case "txn":
      return isTxnCovered(rights, leases, operation);
    case "empty":
      return true;
  }
}

function isPutCovered(rights: UserRights, leases: LeaseKeys, request: PutRequest): boolean {
  const key = textOfBytes(request.key);
  if (!rights.write.coversKey(key)) return false;
  if (request.prevKv && !rights.read.coversKey(key)) return false;
  return request.lease === noLease || mayWriteLease(rights, leases, request.lease);
}

const isDeleteCovered = (rights: UserRights, request: DeleteRangeRequest): boolean =>
  rights.write.coversRange(request) && (!request.prevKv || rights.read.coversRange(request));

function isTxnCovered(rights: UserRights, leases: LeaseKeys, request: TxnRequest): boolean {
  return (
    request.compares.every((compare) => rights.read.coversRange(compare)) &&
    request.success.every((operation) => isOperationCovered(rights, leases, operation)) &&
    request.failure.every((operation) => isOperationCovered(rights, leases, operation))
  );
}

const mayWriteLease = (rights: UserRights, leases: LeaseKeys, leaseId: LeaseId): boolean =>
  rights === everything || leases.keysOf(leaseId).every((text) => rights.write.coversKey(text));

const mayReadLease = (rights: UserRights, leases: LeaseKeys, leaseId: LeaseId): boolean =>
  leases.keysOf(leaseId).every((text) => rights.read.coversKey(text));
