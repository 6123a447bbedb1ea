/*
 * Refusals as clients see them: Go's client finds its errors by the text, and steers its retries by the code. Written out
 * here a second time, because no other test would notice a letter or a code that changed where nobody meets it by chance.
 * Source: etcd v3 API, client-visible errors, §2 and §3.
 */
import { expect, test } from "vitest";
import { type RefusalName, type RpcCode, refusals } from "../../core/errors.ts";

const known: readonly (readonly [RefusalName, RpcCode, string])[] = [
  ["emptyKey", "INVALID_ARGUMENT", "etcdserver: key is not provided"],
  ["keyNotFound", "INVALID_ARGUMENT", "etcdserver: key not found"],
  ["valueProvided", "INVALID_ARGUMENT", "etcdserver: value is provided"],
  ["leaseProvided", "INVALID_ARGUMENT", "etcdserver: lease is provided"],
  ["tooManyOperations", "INVALID_ARGUMENT", "etcdserver: too many operations in txn request"],
  ["duplicateKey", "INVALID_ARGUMENT", "etcdserver: duplicate key given in txn request"],
  ["invalidSortOption", "INVALID_ARGUMENT", "etcdserver: invalid sort option"],
  ["compacted", "OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted"],
  ["futureRevision", "OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision"],
  ["noSpace", "RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded"],
  ["leaseNotFound", "NOT_FOUND", "etcdserver: requested lease not found"],
  ["leaseExists", "FAILED_PRECONDITION", "etcdserver: lease already exists"],
  ["leaseTtlTooLarge", "OUT_OF_RANGE", "etcdserver: too large lease TTL"],
  ["watchCanceled", "CANCELLED", "etcdserver: watch canceled"],
  ["memberExists", "FAILED_PRECONDITION", "etcdserver: member ID already exist"],
  ["peerUrlExists", "FAILED_PRECONDITION", "etcdserver: Peer URLs already exists"],
  ["notEnoughStarted", "UNKNOWN", "etcdserver: re-configuration failed due to not enough started members"],
  ["memberBadUrls", "INVALID_ARGUMENT", "etcdserver: given member URLs are invalid"],
  ["memberNotFound", "NOT_FOUND", "etcdserver: member not found"],
  ["memberNotLearner", "FAILED_PRECONDITION", "etcdserver: can only promote a learner member"],
  [
    "learnerNotReady",
    "FAILED_PRECONDITION",
    "etcdserver: can only promote a learner member which is in sync with leader",
  ],
  ["tooManyLearners", "FAILED_PRECONDITION", "etcdserver: too many learner members in cluster"],
  ["requestTooLarge", "INVALID_ARGUMENT", "etcdserver: request is too large"],
  ["tooManyRequests", "UNKNOWN", "etcdserver: too many requests"],
  ["rootUserNotExist", "FAILED_PRECONDITION", "etcdserver: root user does not exist"],
  ["rootRoleNotExist", "FAILED_PRECONDITION", "etcdserver: root user does not have root role"],
  ["userAlreadyExist", "FAILED_PRECONDITION", "etcdserver: user name already exists"],
  ["userEmpty", "INVALID_ARGUMENT", "etcdserver: user name is empty"],
  ["userNotFound", "FAILED_PRECONDITION", "etcdserver: user name not found"],
  ["roleAlreadyExist", "FAILED_PRECONDITION", "etcdserver: role name already exists"],
  ["roleNotFound", "FAILED_PRECONDITION", "etcdserver: role name not found"],
  ["roleEmpty", "INVALID_ARGUMENT", "etcdserver: role name is empty"],
  ["authFailed", "INVALID_ARGUMENT", "etcdserver: authentication failed, invalid user ID or password"],
  ["permissionNotGiven", "INVALID_ARGUMENT", "etcdserver: permission not given"],
  ["permissionDenied", "PERMISSION_DENIED", "etcdserver: permission denied"],
  ["roleNotGranted", "FAILED_PRECONDITION", "etcdserver: role is not granted to the user"],
  ["permissionNotGranted", "FAILED_PRECONDITION", "etcdserver: permission is not granted to the role"],
  ["authNotEnabled", "FAILED_PRECONDITION", "etcdserver: authentication is not enabled"],
  ["invalidAuthToken", "UNAUTHENTICATED", "etcdserver: invalid auth token"],
  ["invalidAuthMgmt", "INVALID_ARGUMENT", "etcdserver: invalid auth management"],
  ["authOldRevision", "INVALID_ARGUMENT", "etcdserver: revision of auth store is old"],
  ["noLeader", "UNAVAILABLE", "etcdserver: no leader"],
  ["notLeader", "FAILED_PRECONDITION", "etcdserver: not leader"],
  ["leaderChanged", "UNAVAILABLE", "etcdserver: leader changed"],
  ["notCapable", "FAILED_PRECONDITION", "etcdserver: not capable"],
  ["stopped", "UNAVAILABLE", "etcdserver: server stopped"],
  ["timedOut", "UNAVAILABLE", "etcdserver: request timed out"],
  ["timedOutLeaderFailed", "UNAVAILABLE", "etcdserver: request timed out, possibly due to previous leader failure"],
  ["timedOutConnectionLost", "UNAVAILABLE", "etcdserver: request timed out, possibly due to connection lost"],
  ["timedOutApplying", "UNAVAILABLE", "etcdserver: request timed out, waiting for the applied index took too long"],
  ["unhealthy", "UNAVAILABLE", "etcdserver: unhealthy cluster"],
  ["corrupt", "DATA_LOSS", "etcdserver: corrupt cluster"],
  ["notSupportedForLearner", "FAILED_PRECONDITION", "etcdserver: rpc not supported for learner"],
  ["badLeaderTransferee", "FAILED_PRECONDITION", "etcdserver: bad leader transferee"],
  ["wrongDowngradeVersion", "INVALID_ARGUMENT", "etcdserver: wrong downgrade target version format"],
  ["invalidDowngradeTarget", "INVALID_ARGUMENT", "etcdserver: invalid downgrade target version"],
  ["clusterVersionUnavailable", "FAILED_PRECONDITION", "etcdserver: cluster version not found during downgrade"],
  ["downgradeInProcess", "FAILED_PRECONDITION", "etcdserver: cluster has a downgrade job in progress"],
  ["canceled", "UNKNOWN", "etcdserver: request cancelled"],
  ["timedOutLeaderTransfer", "UNKNOWN", "etcdserver: request timed out, leader transfer took too long"],
  ["unknownMethod", "UNKNOWN", "etcdserver: unknown method"],
  ["proposalDropped", "UNKNOWN", "raft proposal dropped"],
  ["authNoPassword", "UNKNOWN", "auth: authentication failed, password was given for no password user"],
  ["authVerifyOnly", "UNKNOWN", "auth: token signing attempted with verify-only key"],
  ["deadlineExceeded", "DEADLINE_EXCEEDED", "context deadline exceeded"],
];

test.each(known)("%s is %s", (name, code, text) => {
  expect(refusals[name]).toMatchObject({ code, text });
});

test("no two refusals share a text, by which clients tell them apart", () => {
  const texts = Object.values(refusals).map(({ text }) => text);
  expect(new Set(texts).size).toBe(texts.length);
});
