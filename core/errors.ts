/*
 * Refusals: every answer that is an error, as a value from one table. Clients match on code and text, so both are
 * part of the protocol. `definite` says the request surely had and will have no effect; a checker may then forget it.
 */

export type RpcCode =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/** gRPC status numbers of {@link RpcCode}. */
export const rpcCodeNumbers: { readonly [Code in RpcCode]: number } = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
};

export interface Refusal {
  readonly code: RpcCode;
  /** Complete status message. */
  readonly text: string;
  /** True when the refused request has no effect, now or later. */
  readonly definite: boolean;
}

const yes = (code: RpcCode, text: string): Refusal => ({ code, text, definite: true });
const open = (code: RpcCode, text: string): Refusal => ({ code, text, definite: false });

const refusalTable = {
  emptyKey: yes("INVALID_ARGUMENT", "etcdserver: key is not provided"),
  keyNotFound: yes("INVALID_ARGUMENT", "etcdserver: key not found"),
  valueProvided: yes("INVALID_ARGUMENT", "etcdserver: value is provided"),
  leaseProvided: yes("INVALID_ARGUMENT", "etcdserver: lease is provided"),
  tooManyOperations: yes("INVALID_ARGUMENT", "etcdserver: too many operations in txn request"),
  duplicateKey: yes("INVALID_ARGUMENT", "etcdserver: duplicate key given in txn request"),
  invalidSortOption: yes("INVALID_ARGUMENT", "etcdserver: invalid sort option"),
  compacted: yes("OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted"),
  futureRevision: yes("OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision"),
  noSpace: yes("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded"),
  leaseNotFound: yes("NOT_FOUND", "etcdserver: requested lease not found"),
  leaseExists: yes("FAILED_PRECONDITION", "etcdserver: lease already exists"),
  leaseTtlTooLarge: yes("OUT_OF_RANGE", "etcdserver: too large lease TTL"),
  watchCanceled: yes("CANCELLED", "etcdserver: watch canceled"),
  memberExists: yes("FAILED_PRECONDITION", "etcdserver: member ID already exist"),
  peerUrlExists: yes("FAILED_PRECONDITION", "etcdserver: Peer URLs already exists"),
  memberBadUrls: yes("INVALID_ARGUMENT", "etcdserver: given member URLs are invalid"),
  memberNotFound: yes("NOT_FOUND", "etcdserver: member not found"),
  memberNotLearner: yes("FAILED_PRECONDITION", "etcdserver: can only promote a learner member"),
  // These three are not etcd's: its API changes one member at a time.
  memberNotVoter: yes("FAILED_PRECONDITION", "etcdserver: can only demote a voting member"),
  memberNamedTwice: yes("INVALID_ARGUMENT", "etcdserver: a change of members names a member twice"),
  changeUnderWay: yes("UNAVAILABLE", "etcdserver: another change of members is under way"),
  learnerNotReady: yes(
    "FAILED_PRECONDITION",
    "etcdserver: can only promote a learner member which is in sync with leader",
  ),
  tooManyLearners: yes("FAILED_PRECONDITION", "etcdserver: too many learner members in cluster"),
  notEnoughStarted: yes("UNKNOWN", "etcdserver: re-configuration failed due to not enough started members"),
  requestTooLarge: yes("INVALID_ARGUMENT", "etcdserver: request is too large"),
  tooManyRequests: yes("UNKNOWN", "etcdserver: too many requests"),
  noLeader: yes("UNAVAILABLE", "etcdserver: no leader"),
  notLeader: yes("FAILED_PRECONDITION", "etcdserver: not leader"),
  leaderChanged: open("UNAVAILABLE", "etcdserver: leader changed"),
  notCapable: yes("FAILED_PRECONDITION", "etcdserver: not capable"),
  stopped: open("UNAVAILABLE", "etcdserver: server stopped"),
  timedOut: open("UNAVAILABLE", "etcdserver: request timed out"),
  timedOutLeaderFailed: open("UNAVAILABLE", "etcdserver: request timed out, possibly due to previous leader failure"),
  timedOutConnectionLost: open("UNAVAILABLE", "etcdserver: request timed out, possibly due to connection lost"),
  timedOutLeaderTransfer: open("UNKNOWN", "etcdserver: request timed out, leader transfer took too long"),
  timedOutApplying: open("UNAVAILABLE", "etcdserver: request timed out, waiting for the applied index took too long"),
  deadlineExceeded: open("DEADLINE_EXCEEDED", "context deadline exceeded"),
  unhealthy: yes("UNAVAILABLE", "etcdserver: unhealthy cluster"),
  corrupt: yes("DATA_LOSS", "etcdserver: corrupt cluster"),
  notSupportedForLearner: yes("FAILED_PRECONDITION", "etcdserver: rpc not supported for learner"),
  wrongDowngradeVersion: yes("INVALID_ARGUMENT", "etcdserver: wrong downgrade target version format"),
  invalidDowngradeTarget: yes("INVALID_ARGUMENT", "etcdserver: invalid downgrade target version"),
  clusterVersionUnavailable: yes("FAILED_PRECONDITION", "etcdserver: cluster version not found during downgrade"),
  downgradeInProcess: yes("FAILED_PRECONDITION", "etcdserver: cluster has a downgrade job in progress"),
  unknownMethod: yes("UNKNOWN", "etcdserver: unknown method"),
  badLeaderTransferee: yes("FAILED_PRECONDITION", "etcdserver: bad leader transferee"),
  proposalDropped: yes("UNKNOWN", "raft proposal dropped"),
  canceled: open("UNKNOWN", "etcdserver: request cancelled"),
  rootUserNotExist: yes("FAILED_PRECONDITION", "etcdserver: root user does not exist"),
  rootRoleNotExist: yes("FAILED_PRECONDITION", "etcdserver: root user does not have root role"),
  userAlreadyExist: yes("FAILED_PRECONDITION", "etcdserver: user name already exists"),
  userEmpty: yes("INVALID_ARGUMENT", "etcdserver: user name is empty"),
  userNotFound: yes("FAILED_PRECONDITION", "etcdserver: user name not found"),
  roleAlreadyExist: yes("FAILED_PRECONDITION", "etcdserver: role name already exists"),
  roleNotFound: yes("FAILED_PRECONDITION", "etcdserver: role name not found"),
  roleEmpty: yes("INVALID_ARGUMENT", "etcdserver: role name is empty"),
  authFailed: yes("INVALID_ARGUMENT", "etcdserver: authentication failed, invalid user ID or password"),
  authNoPassword: yes("UNKNOWN", "auth: authentication failed, password was given for no password user"),
  authVerifyOnly: yes("UNKNOWN", "auth: token signing attempted with verify-only key"),
  passwordTooLong: yes("UNKNOWN", "bcrypt: password length exceeds 72 bytes"),
  permissionNotGiven: yes("INVALID_ARGUMENT", "etcdserver: permission not given"),
  permissionDenied: yes("PERMISSION_DENIED", "etcdserver: permission denied"),
  roleNotGranted: yes("FAILED_PRECONDITION", "etcdserver: role is not granted to the user"),
  permissionNotGranted: yes("FAILED_PRECONDITION", "etcdserver: permission is not granted to the role"),
  authNotEnabled: yes("FAILED_PRECONDITION", "etcdserver: authentication is not enabled"),
  invalidAuthToken: yes("UNAUTHENTICATED", "etcdserver: invalid auth token"),
  invalidAuthMgmt: yes("INVALID_ARGUMENT", "etcdserver: invalid auth management"),
  authOldRevision: yes("INVALID_ARGUMENT", "etcdserver: revision of auth store is old"),
  watchDuplicateId: yes("INVALID_ARGUMENT", "mvcc: duplicate watch ID provided on the WatchStream"),
  watchEmptyRange: yes("INVALID_ARGUMENT", "mvcc: watcher range is empty"),
} as const;

export type RefusalName = keyof typeof refusalTable;
export const refusals: { readonly [Name in RefusalName]: Refusal } = refusalTable;
