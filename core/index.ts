/*
 * The only door through which the other folders enter core.
 */
export { assert, InvariantViolation, unreachable } from "./assert.ts";
export { bytesOfText, compareBytes, emptyBytes, equalBytes, textOfBytes, utf8Decode, utf8Encode } from "./bytes.ts";
export {
  checkMemberConfig,
  defaultMemberConfig,
  leaseTtlMinSeconds,
  memberConfigFields,
  type MemberConfig,
  type NumberField,
  type SwitchField,
} from "./config.ts";
export { crc32c } from "./crc32c.ts";
export { refusals, rpcCodeNumbers, type Refusal, type RefusalName, type RpcCode } from "./errors.ts";
export * from "./ids.ts";
export type { Input, LeaseForward, PeerMessage, StreamKind } from "./input.ts";
export type { LogOperation, MemberEvent, Output } from "./output.ts";
export {
  buckets,
  type Backend,
  type BackendInstall,
  type BackendReader,
  type BackendView,
  type Bucket,
  type Random,
  type Visit,
} from "./ports.ts";
export type * from "./raft/message.ts";
export type * from "./raft/ready.ts";
export type * from "./request.ts";
