/*
 * The stock etcd that tests compare with. A machine of one's own may lack it, and then its tests say so and are
 * skipped; where CI is set they must run, so nothing is skipped there.
 */
import { existsSync } from "node:fs";
import { stockEtcdBinary, type Target } from "../../chaos/target.ts";

export const stockEtcd: Target = { kind: "etcd", binary: process.env["FAULTLINE_ETCD"] ?? stockEtcdBinary };

/** Reason to skip; undefined when there is none. */
export const whyNoStockEtcd: string | undefined =
  process.env["CI"] === "true" || existsSync(stockEtcd.kind === "etcd" ? stockEtcd.binary : "")
    ? undefined
    : `no etcd at ${stockEtcdBinary}; install etcd-server to run this`;
