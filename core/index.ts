/*
 * The only door through which the other folders enter core.
 */
export { releaseOf } from "./apply/cluster-version.ts";
export { logPlaceKeys, restoreMember } from "./apply/restore.ts";
export { assert, InvariantViolation, unreachable } from "./assert.ts";
export type { Credential } from "./auth/identity.ts";
export { bytesOfText, compareBytes, emptyBytes, equalBytes, textOfBytes, utf8Decode, utf8Encode } from "./bytes.ts";
export {
  checkMemberConfig,
  defaultMemberConfig,
  type MemberConfig,
  memberConfigFields,
} from "./config.ts";
export { type MemberCounts, ttlPowerMax } from "./counts.ts";
export { crc32c } from "./crc32c.ts";
export { type Refusal, type RefusalName, refusals, rpcCodeNumbers } from "./errors.ts";
export * from "./ids.ts";
export { nextIncarnation } from "./incarnation.ts";
export type { Input, PeerMessage } from "./input.ts";
export type { Member } from "./member.ts";
export { hashOfStoredKeys } from "./mvcc/stored-hash.ts";
export type { LogOperation, MemberEvent, Output, Retention, StopCause } from "./output.ts";
export {
  type Backend,
  type BackendInstall,
  type BackendReader,
  type BackendView,
  type Bucket,
  buckets,
  type Random,
  type Visit,
} from "./ports.ts";
export { describeConfiguration, describeEntry, describeMessage } from "./raft/describe.ts";
export { blankHardState } from "./raft/hard-state.ts";
export type * from "./raft/message.ts";
export { Raft } from "./raft/raft.ts";
export type * from "./raft/ready.ts";
export type * from "./request.ts";
export { decodePeerMessage, encodePeerMessage } from "./server/peer-codec.ts";
export { type MemberStart, type MemberStarted, startMember } from "./start.ts";
export type { DoubtfulBytes } from "./storage/log-store.ts";
export { frameEnd } from "./storage/record.ts";
export { installedAtName } from "./storage/snapshot.ts";
