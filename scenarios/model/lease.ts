/*
 * When a lease may end, as a sequential specification in milliseconds of one clock. A time to live is a lower bound:
 * a lease never ends sooner after a renewal; how much later depends on leaders, since a new leader starts every lease
 * anew and adds an election timeout. Source: etcd v3 API, Lease; expiry and leader change.
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
  /** A new leader, or anything else that may have stopped the clock of the lease. */
  | { readonly type: "restarted"; readonly atMs: number };

export function leaseWindow(
  events: readonly LeaseEvent[],
  options: { readonly electionTimeoutMs: number },
): LeaseWindow | undefined {
  let window: LeaseWindow | undefined;
  for (const event of events) {
    if (event.type === "renewed") {
      window = {
        ttlMs: event.ttlMs,
        earliestEndMs: Math.max(window?.earliestEndMs ?? 0, event.calledMs + event.ttlMs),
        latestEndMs: Math.max(window?.latestEndMs ?? 0, event.answeredMs + event.ttlMs + options.electionTimeoutMs),
      };
    } else if (window !== undefined) {
      const latestEndMs = Math.max(window.latestEndMs, event.atMs + window.ttlMs + options.electionTimeoutMs);
      window = { ...window, latestEndMs };
    }
  }
  return window;
}
