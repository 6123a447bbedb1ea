/*
 * One planned watcher as a pure state machine: opens a stream with one watch, takes replies at its own pace, and after
 * the end of a stream resumes on the next member from the revision after the last it saw.
 *
 * Driving it: as ClientSession. A world carries each `open` as one stream of its own with one watchCreate on it.
 */
import type { StreamRequest, WatchCreateRequest, WatchReply } from "../../core/server/request.ts";
import type { PlannedWatch } from "../plan.ts";
import type { Recorder } from "./recorder.ts";

export type WatchInput =
  | { readonly type: "wake"; readonly nowMs: number }
  | { readonly type: "reply"; readonly nowMs: number; readonly watch: number; readonly reply: WatchReply }
  /** The stream is over, or could not be opened: member gone, connection lost or refused, ended by the member. */
  | { readonly type: "ended"; readonly nowMs: number; readonly watch: number; readonly reason: string }
  /** Faults are over: a slow watcher takes everything at once from now on. */
  | { readonly type: "hurry"; readonly nowMs: number }
  /** The run is over: close. */
  | { readonly type: "close"; readonly nowMs: number };

export type WatchOutput =
  /** Open a watch stream to that member (a position) and send this request on it. */
  | { readonly type: "open"; readonly watch: number; readonly member: number; readonly request: WatchCreateRequest }
  /** One more request on that stream. */
  | {
      readonly type: "request";
      readonly watch: number;
      readonly member: number;
      readonly request: Extract<StreamRequest, { type: "watchProgress" }>;
    }
  /** So many more replies were taken off that stream (flow control: until then they fill its window). */
  | { readonly type: "drained"; readonly watch: number; readonly member: number; readonly replies: number }
  /** The client ends the stream. */
  | { readonly type: "close"; readonly watch: number; readonly member: number }
  | { readonly type: "wakeAt"; readonly atMs: number };

export class WatchSession {
  constructor(options: {
    readonly watch: PlannedWatch;
    readonly members: readonly string[];
    readonly recorder: Recorder;
  }) {
    void options;
  }

  step(input: WatchInput): readonly WatchOutput[] {
    void input;
    return [];
  }
}
