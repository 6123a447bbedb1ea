/*
 * A server under comparison, as a sequence sees it: calls and streams of bytes, time that passes, and a way to begin
 * anew. Three things stand behind it: our core in the simulator, our member's process, and a stock etcd.
 */

/** What came of a call: the bytes of its answer, or the status it ended with. */
export type Outcome =
  | { readonly type: "answer"; readonly bytes: Uint8Array }
  | { readonly type: "status"; readonly code: string; readonly text: string };

export interface Caller {
  /** Which member of the cluster is asked; a cluster of one has only one to ask. */
  readonly member: number;
  readonly token: string | undefined;
}

export interface PendingCall {
  readonly result: Promise<Outcome>;
  /** The client gives up; what came of the call is then of no interest. */
  cancel(): void;
}

export interface OpenStream {
  /** Replies that came so far, oldest first. */
  readonly replies: readonly Uint8Array[];
  /** How it ended; undefined while it is open. */
  readonly ended: { readonly code: string; readonly text: string } | undefined;
  send(bytes: Uint8Array): void;
  halfClose(): void;
  cancel(): void;
}

export interface Target {
  readonly name: string;
  /** False: that method is a matter of a process alone, or of a cluster of another size. */
  serves(method: string): boolean;
  /** Server's own ids, for requests that name it and answers that show them. */
  readonly memberIds: readonly bigint[];
  call(path: string, request: Uint8Array, caller: Caller): PendingCall;
  open(path: string, caller: Caller): OpenStream;
  /**
   * Lets the server work until the condition holds.
   *
   * @returns false when it did not within that time
   */
  until(condition: () => boolean, limitMs: number): Promise<boolean>;
  /** Begins with an empty store of revision 1. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** The status of a stream or call that ended well. */
export const okStatus = { code: "OK", text: "" } as const;
