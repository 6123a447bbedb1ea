/*
 * Knobs for scenarios in which a member starts from nothing. Drawn at their least, they would send it one entry a round
 * trip, and no run is long enough for that.
 */
import type { MemberConfig } from "../../core/index.ts";

export const catchingUp: Partial<MemberConfig> = { appendBytesMax: 65_536, appendsInFlightMax: 16 };
