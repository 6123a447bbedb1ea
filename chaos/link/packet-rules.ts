/*
 * The packet filter of one member's network namespace, as text for nft: what it does not hear, what it loses, and which
 * way round its connections go. Rules look only at the interface towards the other members; clients have another one.
 */

/** What a member's filter is to do now; addresses are IPv4. */
export interface PacketRules {
  /** From these nothing arrives. */
  readonly deafTo: readonly string[];
  /**
   * From these nothing arrives that carries data, while acknowledgements and greetings do: so data still flows the
   * other way, as one link of two is cut.
   */
  readonly blindTo: readonly string[];
  /** Chance that a packet that arrives is lost. */
  readonly lossPpm: number;
  /** Where connections to a member are led instead; by the member's address. */
  readonly detours: ReadonlyMap<string, { readonly host: string; readonly port: number }>;
}

export const peerInterface = "eth0";
export const peerPort = 2380;
const table = "ip faultline";

/** Headers of a packet without data: 20 bytes for IP, at most 60 for TCP. */
const emptyPacketBytesMax = 80;

/** Makes the table; everything passes. */
export function filterTable(): string {
  return [
    `table ${table} {`,
    "  set deaf { type ipv4_addr",
    "  }",
    "  set blind { type ipv4_addr",
    "  }",
    "  chain loss {",
    "  }",
    "  chain stray {",
    "  }",
    "  chain detour {",
    "  }",
    "  chain arriving {",
    "    type filter hook input priority 0",
    `    iifname != "${peerInterface}" accept`,
    "    ip saddr @deaf drop",
    "    ip saddr @blind tcp flags & psh == psh drop",
    `    ip saddr @blind ip protocol tcp ip length > ${emptyPacketBytesMax} drop`,
    "    jump loss",
    "  }",
    "  chain leaving {",
    "    type filter hook output priority 0",
    `    oifname "${peerInterface}" jump stray`,
    "  }",
    "  chain dialling {",
    "    type nat hook output priority -100",
    "    jump detour",
    "  }",
    "}",
    "",
  ].join("\n");
}

/** Changes a filter to do exactly that, as one change. */
export function filterChange({ deafTo, blindTo, lossPpm, detours }: PacketRules): string {
  const lines = [
    `flush set ${table} deaf`,
    `flush set ${table} blind`,
    `flush chain ${table} loss`,
    `flush chain ${table} stray`,
    `flush chain ${table} detour`,
  ];
  if (deafTo.length > 0) lines.push(`add element ${table} deaf { ${deafTo.join(", ")} }`);
  if (blindTo.length > 0) lines.push(`add element ${table} blind { ${blindTo.join(", ")} }`);
  // A chance that is certain is none to nft.
  const chance = lossPpm < 1_000_000 ? `numgen random mod 1000000 < ${lossPpm} ` : "";
  if (lossPpm > 0) lines.push(`add rule ${table} loss ${chance}drop`);
  for (const [address, { host, port }] of detours) {
    lines.push(`add rule ${table} detour ip daddr ${address} tcp dport ${peerPort} dnat to ${host}:${port}`);
    // A connection from before the detour goes the old way; without it its ends dial anew.
    lines.push(
      `add rule ${table} stray ip daddr ${address} tcp dport ${peerPort} tcp flags & rst == 0 reject with tcp reset`,
    );
  }
  return `${lines.join("\n")}\n`;
}
