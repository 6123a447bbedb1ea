/*
 * What the numbers in a scheduled event mean, and the order of events inside one instant: the conductor's faults first,
 * then disks, then messages, then clients, then ticks, and last the step of what was gathered.
 */

/** `kind` of an event. */
export const kinds = {
  /** The conductor looks at the time. */
  conductor: 0,
  /** An armed crash whose step never came: slot, life. */
  crashDeadline: 1,
  /** A log sync ended: slot, life; number: operations that became durable, payload: the writeId to report. */
  logSynced: 2,
  /** A backend sync ended: slot, life; number: the commit, payload: the writeId to report or undefined. */
  backendSynced: 3,
  /** The member hears that its log is durable: slot, life; number: the writeId. */
  writeDone: 9,
  /** The member hears that its backend is durable: slot, life; number: the writeId. */
  backendDone: 10,
  /** A password was hashed or compared: slot, life; payload: what the member is told, without the time. */
  passwordDone: 11,
  /** What came for the member lately is stepped together: slot, life. */
  gathered: 12,
  /** Slot, life of the receiver; number: position of the sender, payload: the message. */
  peerMessage: 4,
  /** Client to member: slot; payload: an Arrival of client-links.ts. */
  arrival: 5,
  /** Member to client: slot is the session; payload: its input without the time. */
  sessionInput: 6,
  /** Slot is the session. */
  sessionWake: 7,
  /** Slot, life. */
  tick: 8,
} as const;

/** Names of the kinds by number, for traces. */
export const kindNames: readonly string[] = Object.entries(kinds)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name);

/** Order of each kind inside one instant. */
export const kindOrders: readonly number[] = [0, 0, 1, 1, 2, 3, 4, 4, 5, 1, 1, 1, 6];
