/*
 * When a lease may end, as a sequential specification in milliseconds of one clock. A time to live is a lower bound:
 * a lease never ends sooner after a renewal; how much later depends on leaders, since a new leader starts every lease
 * anew and adds an election timeout. Where leaders write down
 * how much time leases have left, a new leader goes on from there. Source: etcd v3 API, Lease; expiry and leader change.
 */
export interface LeaseWindow {
  readonly ttlMs: number;
  /** It may not end before. */
  readonly earliestEndMs: number;
  /** With a leader at work it has ended by then. */
  readonly latestEndMs: number;
}
export type LeaseEvent =
  /** A grant or renewal that was answered: it took effect somewhere in between. */
  | { readonly type: "renewed"; readonly calledMs: number; readonly answeredMs: number; readonly ttlMs: number }
  /**
   * A new leader, or anything else that may have stopped the clock of the lease. `outageMs`: of a new leader, how long
   * before it nobody may have led.
   */
  | { readonly type: "restarted"; readonly atMs: number; readonly outageMs?: number };

export interface LeaseLaw {
  readonly electionTimeoutMs: number;
  /** The longest time between two checkpoints of a lease that has so much time left; 0: leaders make none. */
  readonly checkpointMs: number;
}

/** @param events renewals first, in order of their calls; then restarts in order of time */
export function leaseWindow(events: readonly LeaseEvent[], law: LeaseLaw): LeaseWindow | undefined {
  let window: LeaseWindow | undefined;
  let renewedMs = 0;
  /** With checkpoints a new leader costs at most what went by since the last one. */
  let checkpointedEndMs = 0;
  for (const event of events) {
    if (event.type === "renewed") {
      const endMs = event.answeredMs + event.ttlMs + law.electionTimeoutMs;
      window = {
        ttlMs: event.ttlMs,
        earliestEndMs: Math.max(window?.earliestEndMs ?? 0, event.calledMs + event.ttlMs),
        latestEndMs: Math.max(window?.latestEndMs ?? 0, endMs),
      };
      checkpointedEndMs = window.latestEndMs;
      renewedMs = event.calledMs;
    } else if (window !== undefined) {
      const latestEndMs = Math.max(window.latestEndMs, event.atMs + window.ttlMs + law.electionTimeoutMs);
      window = { ...window, latestEndMs };
      if (event.outageMs !== undefined && event.atMs >= renewedMs) {
        checkpointedEndMs += event.outageMs + law.checkpointMs + 2 * law.electionTimeoutMs;
      }
    }
  }
  if (window === undefined || law.checkpointMs === 0) return window;
  return { ...window, latestEndMs: Math.min(window.latestEndMs, checkpointedEndMs) };
}
