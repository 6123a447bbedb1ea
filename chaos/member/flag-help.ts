/*
 * What `--help` says, made from the table of flags.
 */
import { flagTable } from "./flag-table.ts";

export const usageText = "Usage: faultline etcd [flags]; --help shows them";

export function helpText(): string {
  const lines = [
    "Usage: faultline etcd [flags]",
    "",
    "Runs one etcd-compatible member. Each flag may be given with one dash or two, or as a variable",
    "(--listen-peer-urls: ETCD_LISTEN_PEER_URLS), not both.",
    "",
  ];
  const other: string[] = [];
  for (const [name, row] of Object.entries(flagTable)) {
    if (row.support === "fixed") other.push(name);
    else lines.push(`  --${name} '${row.standard}'`, `        ${row.meaning}`);
  }
  lines.push(
    "  --version",
    "        Print the version and end.",
    "",
    "Known to etcd and accepted only with etcd's own default:",
    "",
  );
  for (let start = 0; start < other.length; start += 4) lines.push(`  ${other.slice(start, start + 4).join(", ")}`);
  lines.push(
    "",
    "Example, a cluster of one:",
    "  faultline etcd --name m1 --data-dir /tmp/m1",
    "",
    "Exit codes: 0 ended as asked, 1 could not start or a disk failed, 2 wrong usage or a broken invariant.",
    "",
  );
  return lines.join("\n");
}
