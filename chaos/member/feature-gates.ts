/*
 * Features that are on or off by name: --feature-gates A=true,B=false, and the switch some had of their own before.
 * Source: etcd configuration, §2.1 feature gates, §5 validation.
 */

export interface Features {
  readonly CompactHashCheck: boolean;
  readonly InitialCorruptCheck: boolean;
  readonly LeaseCheckpoint: boolean;
  readonly LeaseCheckpointPersist: boolean;
  readonly SetMemberLocalAddr: boolean;
  readonly StopGRPCServiceOnDefrag: boolean;
  readonly TxnModeWriteWithSharedBuffer: boolean;
}
export type FeatureName = keyof Features;

interface Row {
  readonly standard: boolean;
  readonly stage: "alpha" | "beta";
  /** false: it is as it is here, whatever is asked for. */
  readonly canChange: boolean;
}

const rows: { readonly [Name in FeatureName]: Row } = {
  CompactHashCheck: { standard: false, stage: "alpha", canChange: true },
  InitialCorruptCheck: { standard: false, stage: "alpha", canChange: true },
  LeaseCheckpoint: { standard: false, stage: "alpha", canChange: true },
  LeaseCheckpointPersist: { standard: false, stage: "alpha", canChange: true },
  SetMemberLocalAddr: { standard: false, stage: "alpha", canChange: false },
  StopGRPCServiceOnDefrag: { standard: false, stage: "alpha", canChange: false },
  TxnModeWriteWithSharedBuffer: { standard: true, stage: "beta", canChange: false },
};

/** Each feature, and whether it is on: as `on` says, or else as it is by default. */
export const featureStates = (
  on: Partial<Features>,
): readonly { readonly name: string; readonly stage: string; readonly enabled: boolean }[] =>
  (Object.entries(rows) as [FeatureName, Row][]).map(([name, { stage, standard }]) => ({
    name,
    stage,
    enabled: on[name] ?? standard,
  }));

const isFeature = (name: string): name is FeatureName => Object.hasOwn(rows, name);

/**
 * @param gates the text of --feature-gates
 * @param switches features with a switch of their own, where it was set by hand
 * @returns the features, or a text: what is wrong
 */
export function readFeatures(
  gates: string,
  switches: { readonly [Name in FeatureName]?: boolean | undefined },
): Features | string {
  const asked = new Map<FeatureName, boolean>();
  for (const [name, value] of Object.entries(switches)) {
    if (value !== undefined && isFeature(name)) asked.set(name, value);
  }
  for (const item of gates === "" ? [] : gates.split(",")) {
    const [name = "", value = ""] = item.trim().split("=");
    if (value !== "true" && value !== "false") return `invalid value of ${name}: ${value}, it must be true or false`;
    if (name === "AllAlpha" || name === "AllBeta") {
      const stage = name === "AllAlpha" ? "alpha" : "beta";
      const names = Object.keys(rows).filter((other) => isFeature(other) && rows[other].stage === stage);
      // A group says nothing of a feature that is named itself, and turns on none that this member does not have.
      for (const other of names) {
        if (isFeature(other) && rows[other].canChange && !asked.has(other)) asked.set(other, value === "true");
      }
    } else if (isFeature(name)) asked.set(name, value === "true");
    else return `unrecognized feature gate: ${name}`;
  }
  for (const [name, value] of asked) {
    if (!rows[name].canChange && value !== rows[name].standard) {
      return `--feature-gates=${name}=${value} is not supported by this member: it has only ${name}=${rows[name].standard}`;
    }
  }
  const of = (name: FeatureName): boolean => asked.get(name) ?? rows[name].standard;
  if (of("LeaseCheckpointPersist") && !of("LeaseCheckpoint")) {
    return "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint";
  }
  return {
    CompactHashCheck: of("CompactHashCheck"),
    InitialCorruptCheck: of("InitialCorruptCheck"),
    LeaseCheckpoint: of("LeaseCheckpoint"),
    LeaseCheckpointPersist: of("LeaseCheckpointPersist"),
    SetMemberLocalAddr: of("SetMemberLocalAddr"),
    StopGRPCServiceOnDefrag: of("StopGRPCServiceOnDefrag"),
    TxnModeWriteWithSharedBuffer: of("TxnModeWriteWithSharedBuffer"),
  };
}
