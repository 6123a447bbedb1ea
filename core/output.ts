/*
 * Everything a member asks of its world. Outputs of one step are carried out in order.
 */

import type { RefusalName } from "./errors.ts";
import type { LogIndex, MemberId, RequestId, Revision, StreamId, Term, WriteId } from "./ids.ts";
import type { PeerMessage } from "./input.ts";
import type { Role } from "./raft/ready.ts";
import type { AlarmRecord, Reply, StreamReply } from "./request.ts";

/** One change to the log disk. Segments are named files of bytes. */
export type LogOperation =
  /** A new, empty segment; `expectedBytes` is how large it may grow, so that a disk can preallocate. */
  | { readonly type: "create"; readonly segment: string; readonly expectedBytes: number }
  /** Bytes at the end of that segment; `offset` is where that end is. */
  | { readonly type: "append"; readonly segment: string; readonly offset: number; readonly bytes: Uint8Array }
  /** Cut the segment to that length. */
  | { readonly type: "truncate"; readonly segment: string; readonly sizeBytes: number }
  | { readonly type: "remove"; readonly segment: string }
  /** Keep a copy of the segment as it is, where no log is looked for: a person may want what was damaged. */
  | { readonly type: "setAside"; readonly segment: string };

/** History that automatic compaction leaves alone: the newest so many revisions, or what was current so long ago. */
export type Retention =
  | { readonly mode: "revision"; readonly revisions: number }
  | { readonly mode: "periodic"; readonly periodMs: number };

/** What a person or a metric may want to know; nothing depends on it. */
export type MemberEvent =
  | { readonly type: "roleChanged"; readonly role: Role; readonly term: Term }
  | { readonly type: "leaderChanged"; readonly leaderId: MemberId | undefined; readonly term: Term }
  /** This member's own attributes are in the replicated member list: it may serve clients now. */
  | { readonly type: "published" }
  /** Members came, went, or have other addresses. */
  | { readonly type: "membersChanged" }
  | { readonly type: "snapshotInstalled"; readonly index: LogIndex }
  | { readonly type: "logCompacted"; readonly firstIndex: LogIndex }
  /** A member said what no member can, and was not heard: its disk or its program is not what it should be. */
  | { readonly type: "impossibleWord"; readonly from: MemberId; readonly what: string }
  /** Other alarms stand now than before; in order of member, then kind. */
  | { readonly type: "alarmsChanged"; readonly alarms: readonly AlarmRecord[] }
  /** This member, leading, asks for a compaction on its own account; `retention` is what it must leave readable. */
  | { readonly type: "autoCompaction"; readonly revision: Revision; readonly retention: Retention }
  | {
      readonly type: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly text: string;
      readonly fields: { readonly [field: string]: string | number | boolean };
    };

export type Output =
  | { readonly type: "sendMessage"; readonly message: PeerMessage }
  /** Carry out in order; then, with `sync`, make them and all earlier ones durable and answer `writeDone`. */
  | {
      readonly type: "writeLog";
      readonly writeId: WriteId;
      readonly operations: readonly LogOperation[];
      readonly sync: boolean;
    }
  /** Commit the backend as it is now, make it durable and answer `backendSynced`. */
  | { readonly type: "syncBackend"; readonly writeId: WriteId }
  | { readonly type: "reply"; readonly requestId: RequestId; readonly reply: Reply }
  | { readonly type: "streamReply"; readonly streamId: StreamId; readonly reply: StreamReply }
  /** The member ends the stream; without a refusal its status is OK. */
  | { readonly type: "streamEnded"; readonly streamId: StreamId; readonly refusal: RefusalName | undefined }
  /** Hash the password, slowly and with a salt of its own, and answer `passwordHashed`. */
  | { readonly type: "hashPassword"; readonly requestId: RequestId; readonly password: string }
  /** Compare the password with the hash and answer `passwordChecked`. */
  | { readonly type: "checkPassword"; readonly requestId: RequestId; readonly password: string; readonly hash: string }
  | { readonly type: "event"; readonly event: MemberEvent }
  /**
   * Others have met a later life of this member, numbered `incarnation`: its disk is an old copy and its clock is wrong. The
   * world ends it, and starts it with an incarnation above that. Nothing comes after this output.
   */
  | { readonly type: "outlived"; readonly incarnation: number }
  /** The member cannot go on. The world ends it; nothing more is stepped. */
  | { readonly type: "stop"; readonly reason: string; readonly cause: StopCause };

/**
 * `removed`: in good order, but for ever. `diverged`: its history is not its cluster's. `inconsistent`: its data are not
 * those of the others.
 */
export type StopCause = "removed" | "diverged" | "inconsistent";
