/*
 * What a sequence is made of. Steps are plain data, so that a failing sequence can be shrunk, printed and read; what one
 * of them means where only the run knows (a revision, a lease the server chose) it says by reference.
 */
import type { Plain } from "./messages.ts";

export type Step =
  | {
      readonly do: "call";
      /** A method of any of etcd's services. */
      readonly method: string;
      readonly request: Plain;
      /** Shows the newest token of that user; absent: none. `nonsense` shows a token nobody gave. */
      readonly as?: string;
    }
  /** Opens a keep-alive stream, asks for each lease, says it is done, and waits for the end. */
  | { readonly do: "keepAlive"; readonly leases: readonly Plain[]; readonly as?: string }
  /** Creates a watch on the stream of that number, which is opened when it is not. */
  | { readonly do: "watch"; readonly stream: number; readonly request: Plain; readonly as?: string }
  | { readonly do: "cancelWatch"; readonly stream: number; readonly watchId: number }
  /** Asks for progress, once all watches of the stream are synced. */
  | { readonly do: "progress"; readonly stream: number }
  /** A lock or campaign that may have to wait for its turn. */
  | {
      readonly do: "queue";
      readonly method: "Lock" | "Campaign";
      readonly label: string;
      readonly name: string;
      readonly lease: number;
      readonly value?: string;
    }
  /** Asks who leads that election, for as long as it takes to be told once. */
  | { readonly do: "observe"; readonly name: string }
  /** Takes a snapshot of the backend, and looks whether it is whole. */
  | { readonly do: "snapshot" }
  /** The client of that lock or campaign gives up. */
  | { readonly do: "giveUp"; readonly label: string }
  /** Time passes. */
  | { readonly do: "pass"; readonly ms: number };

/** Number of a stream that carries one watch only, and is closed when that was answered. */
export const alone = -1;

/** Shown like the token of a user, but also while auth is off. */
export const stray = "stray";

/** Groups stay together when a sequence is shrunk. */
export type Sequence = readonly (readonly Step[])[];

/** What one step brought at one target; two targets agree when all fields are equal. */
export interface Seen {
  /** Number of the step, and what it was. */
  readonly step: string;
  readonly outcome: Plain;
}

/** What a target showed of a whole sequence. */
export type Transcript = readonly Seen[];
