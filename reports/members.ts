/*
 * Member lanes of the page: what each member was, when, as far as its world could see it. Role, life and fault events
 * are joined into spans without gaps; a member nobody has heard of yet is "unseen".
 */
import type { HistoryEvent } from "../scenarios/history.ts";

export type MemberState = "unseen" | "follower" | "preCandidate" | "candidate" | "leader" | "down" | "paused";

export interface MemberSpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly state: MemberState;
  /** 0 while unknown. */
  readonly term: number;
}
export interface MemberLane {
  readonly name: string;
  readonly spans: readonly MemberSpan[];
}

/** Lanes in the order of the history's own member list, then of first mention. */
export function memberLanes(history: readonly HistoryEvent[], endMs: number): MemberLane[] {
  const lanes = new Map<string, { spans: MemberSpan[]; sinceMs: number; state: MemberState; term: number }>();
  const laneOf = (name: string) => {
    let lane = lanes.get(name);
    if (lane === undefined) {
      lane = { spans: [], sinceMs: 0, state: "unseen", term: 0 };
      lanes.set(name, lane);
    }
    return lane;
  };
  const become = (name: string, atMs: number, state: MemberState, term: number | undefined) => {
    const lane = laneOf(name);
    const nextTerm = term ?? lane.term;
    if (lane.state === state && lane.term === nextTerm) return;
    if (atMs > lane.sinceMs) {
      lane.spans.push({ fromMs: lane.sinceMs, toMs: atMs, state: lane.state, term: lane.term });
    }
    lane.sinceMs = Math.max(lane.sinceMs, atMs);
    lane.state = state;
    lane.term = nextTerm;
  };
  for (const event of history) {
    switch (event.type) {
      case "meta":
        for (const name of event.members) laneOf(name);
        break;
      case "role":
        become(event.member, event.atMs, event.role, event.term);
        break;
      case "life":
        become(event.member, event.atMs, event.event === "ended" ? "down" : "follower", undefined);
        break;
      default:
        break;
    }
  }
  return [...lanes].map(([name, lane]) => ({
    name,
    spans:
      endMs > lane.sinceMs
        ? [...lane.spans, { fromMs: lane.sinceMs, toMs: endMs, state: lane.state, term: lane.term }]
        : lane.spans,
  }));
}
