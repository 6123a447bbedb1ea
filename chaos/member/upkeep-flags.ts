/*
 * Flags about what a cluster does by itself → fields of the member's configuration, or the words of a refusal.
 * Source: etcd configuration, §9 auto compaction, §5 validation.
 */
import type { MemberConfig } from "../../core/index.ts";
import { durationMs } from "./durations.ts";
import { readFeatures } from "./feature-gates.ts";
import { switchOf } from "./flag-sources.ts";

export type UpkeepFlag =
  | "auto-compaction-mode"
  | "auto-compaction-retention"
  | "compaction-batch-limit"
  | "compaction-sleep-interval"
  | "compact-hash-check-time"
  | "corrupt-check-time"
  | "downgrade-check-time"
  | "experimental-compact-hash-check-enabled"
  | "experimental-initial-corrupt-check"
  | "experimental-enable-lease-checkpoint"
  | "experimental-enable-lease-checkpoint-persist"
  | "feature-gates"
  | "lease-checkpoint-interval";

/**
 * @param text what a flag says, by hand or by default
 * @param isGiven whether it was set by hand
 * @returns the fields, or a text: what is wrong, in etcd's words
 */
export function readUpkeepFlags(
  text: (flag: UpkeepFlag) => string,
  isGiven: (flag: UpkeepFlag) => boolean,
): Partial<MemberConfig> | string {
  const retention = retentionOf(text("auto-compaction-mode"), text("auto-compaction-retention"));
  if (typeof retention === "string") return retention;
  const ownSwitch = (flag: UpkeepFlag): boolean | undefined => (isGiven(flag) ? switchOf(text(flag)) : undefined);
  const features = readFeatures(text("feature-gates"), {
    CompactHashCheck: ownSwitch("experimental-compact-hash-check-enabled"),
    InitialCorruptCheck: ownSwitch("experimental-initial-corrupt-check"),
    LeaseCheckpoint: ownSwitch("experimental-enable-lease-checkpoint"),
    LeaseCheckpointPersist: ownSwitch("experimental-enable-lease-checkpoint-persist"),
  });
  if (typeof features === "string") return features;
  return {
    ...retention,
    versionCheckMs: Math.max(1, Math.round(durationMs(text("downgrade-check-time")) ?? 5_000)),
    corruptCheckMs: Math.round(durationMs(text("corrupt-check-time")) ?? 0),
    initialCorruptCheck: features.InitialCorruptCheck,
    compactHashCheckMs: features.CompactHashCheck
      ? Math.round(durationMs(text("compact-hash-check-time")) ?? 60_000)
      : 0,
    leaseCheckpoints: features.LeaseCheckpoint,
    leaseCheckpointMs: Math.round(durationMs(text("lease-checkpoint-interval")) ?? 300_000),
    compactionEntriesPerTickMax: Number(text("compaction-batch-limit")),
    compactionPauseMs: Math.round(durationMs(text("compaction-sleep-interval")) ?? 10),
  };
}

const hourMs = 3_600_000;

/** A bare number is hours (periodic) or revisions; 0 and the empty text turn it off. */
function retentionOf(mode: string, text: string): Partial<MemberConfig> | string {
  if (mode !== "periodic" && mode !== "revision") return `unknown auto-compaction-mode "${mode}"`;
  const whole = /^[+-]?\d+$/.test(text === "" ? "0" : text) ? Number(text) : undefined;
  if (mode === "revision") {
    if (whole === undefined) return unparsable(`strconv.ParseInt: parsing "${text}": invalid syntax`);
    return whole < 0 ? unparsable(`"${text}" is below 0`) : { autoCompactionRevisions: whole };
  }
  const periodMs = whole === undefined ? durationMs(text) : whole * hourMs;
  if (periodMs === undefined) return unparsable(`time: invalid duration "${text}"`);
  if (periodMs < 0) return unparsable(`"${text}" is below 0`);
  return { autoCompactionPeriodMs: periodMs === 0 ? 0 : Math.max(1, Math.round(periodMs)) };
}

const unparsable = (why: string): string => `error parsing CompactionRetention: ${why}`;
