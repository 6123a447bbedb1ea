/*
 * Whether network namespaces can be made here. Where a machine forbids them, or lacks the tools, tests of them say so
 * and are skipped.
 */
import { findWay } from "../../../chaos/enter-namespaces.ts";
import { programNamed } from "../../../chaos/tools.ts";

export const way = await findWay();

const absent = ["nft", "tc"].filter((program) => programNamed(program) === undefined);

/** Reason to skip; undefined when there is none. */
export const whyNoNamespaces: string | undefined =
  "problem" in way
    ? way.problem
    : absent.length > 0
      ? `${absent.join(", ")} not installed (nftables, iproute2)`
      : undefined;

/** In front of a command: it then runs in namespaces of its own. */
export const unshared = (): readonly string[] => ("problem" in way ? [] : ["unshare", ...way.flags]);
