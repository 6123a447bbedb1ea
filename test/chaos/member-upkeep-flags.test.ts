/*
 * Flags about what a cluster does by itself.
 */
import { describe, expect, test } from "vitest";
import { readFlags } from "../../chaos/member/flags.ts";
import type { MemberConfig } from "../../core/index.ts";

function configOf(argv: readonly string[], environment: { [name: string]: string } = {}): MemberConfig {
  const result = readFlags(argv, environment, []);
  if (result.kind !== "start") throw new Error(JSON.stringify(result));
  return result.flags.config;
}
function refusal(...argv: string[]): string {
  const result = readFlags(argv, {}, []);
  if (result.kind !== "refuse") throw new Error(JSON.stringify(result));
  return result.error;
}

describe("automatic compaction", () => {
  const periodOf = (retention: string): number =>
    configOf([`--auto-compaction-retention=${retention}`]).autoCompactionPeriodMs;

  test("is off without a retention", () => {
    expect(configOf([])).toMatchObject({ autoCompactionPeriodMs: 0, autoCompactionRevisions: 0 });
    expect(periodOf("0")).toBe(0);
  });

  test("takes hours or a duration by period, and revisions by revision", () => {
    expect(periodOf("1")).toBe(3_600_000);
    expect(periodOf("30m")).toBe(1_800_000);
    expect(periodOf("500ms")).toBe(500);
    expect(configOf(["--auto-compaction-mode=revision", "--auto-compaction-retention=1000"])).toMatchObject({
      autoCompactionPeriodMs: 0,
      autoCompactionRevisions: 1_000,
    });
    expect(configOf([], { ETCD_AUTO_COMPACTION_RETENTION: "2h" }).autoCompactionPeriodMs).toBe(7_200_000);
  });

  test("refuses a mode or a retention it cannot read", () => {
    expect(refusal("--auto-compaction-mode=weekly")).toBe('unknown auto-compaction-mode "weekly"');
    expect(refusal("--auto-compaction-retention=soon")).toBe(
      'error parsing CompactionRetention: time: invalid duration "soon"',
    );
    expect(refusal("--auto-compaction-retention=-1h")).toBe('error parsing CompactionRetention: "-1h" is below 0');
    expect(refusal("--auto-compaction-mode=revision", "--auto-compaction-retention=1h")).toBe(
      'error parsing CompactionRetention: strconv.ParseInt: parsing "1h": invalid syntax',
    );
  });
});

test("a compaction's steps and pauses go by their present names and by the former ones, not by both", () => {
  expect(configOf(["--compaction-batch-limit=7", "--compaction-sleep-interval=1s"])).toMatchObject({
    compactionEntriesPerTickMax: 7,
    compactionPauseMs: 1_000,
  });
  expect(configOf(["--experimental-compaction-batch-limit=7"]).compactionEntriesPerTickMax).toBe(7);
  expect(configOf([], { ETCD_EXPERIMENTAL_COMPACTION_BATCH_LIMIT: "8" }).compactionEntriesPerTickMax).toBe(8);
  expect(refusal("--experimental-compaction-batch-limit=7", "--compaction-batch-limit=8")).toBe(
    "cannot set --experimental-compaction-batch-limit and --compaction-batch-limit at the same time, please use --compaction-batch-limit only",
  );
});

describe("lease checkpoints", () => {
  test("are off unless asked for, by the feature's name or by its former switch", () => {
    expect(configOf([])).toMatchObject({ leaseCheckpoints: false, leaseCheckpointMs: 300_000 });
    for (const argv of [
      ["--feature-gates=LeaseCheckpoint=true,LeaseCheckpointPersist=true"],
      ["--experimental-enable-lease-checkpoint", "--experimental-enable-lease-checkpoint-persist"],
      ["--feature-gates=AllAlpha=true"],
    ]) {
      expect(configOf(argv).leaseCheckpoints).toBe(true);
    }
    expect(configOf(["--lease-checkpoint-interval=2s"]).leaseCheckpointMs).toBe(2_000);
  });

  test("cannot be kept where none are made", () => {
    expect(refusal("--feature-gates=LeaseCheckpointPersist=true")).toBe(
      "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint",
    );
  });
});

test("a feature gate that is unknown, has no value, or cannot be changed here is refused by its name", () => {
  expect(refusal("--feature-gates=Magic=true")).toBe("unrecognized feature gate: Magic");
  expect(refusal("--feature-gates=LeaseCheckpoint")).toMatch(/^invalid value of LeaseCheckpoint: /);
  expect(refusal("--feature-gates=SetMemberLocalAddr=true")).toMatch(/SetMemberLocalAddr=true is not supported/);
  expect(configOf(["--feature-gates=SetMemberLocalAddr=false,TxnModeWriteWithSharedBuffer=true"])).toBeDefined();
});

test("comparisons of what members hold are off unless asked for", () => {
  const off = { corruptCheckMs: 0, initialCorruptCheck: false, compactHashCheckMs: 0 };
  expect(configOf(["--compact-hash-check-time=5s"])).toMatchObject(off);
  expect(configOf(["--corrupt-check-time=4m"]).corruptCheckMs).toBe(240_000);
  expect(configOf(["--experimental-corrupt-check-time=4m"]).corruptCheckMs).toBe(240_000);
  const gates = "--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true";
  const on = { initialCorruptCheck: true, compactHashCheckMs: 60_000 };
  expect(configOf([gates])).toMatchObject(on);
  expect(configOf(["--experimental-initial-corrupt-check", "--experimental-compact-hash-check-enabled"])).toMatchObject(
    on,
  );
});
