/*
 * Drawing from a stream of chance: ranges, choices, subsets. Nothing here holds state; the stream does.
 */
import type { Random } from "../core/index.ts";

/** Uniform whole number in min..max, both included; max below min counts as min. */
export function between(random: Random, { min, max }: { readonly min: number; readonly max: number }): number {
  return max <= min ? min : min + random.below(max - min + 1);
}

/** True that many times in a hundred. */
export function chance(random: Random, percent: number): boolean {
  return random.below(100) < percent;
}

/** One of a list that is never empty. */
export function oneOf<const Item>(random: Random, items: readonly [Item, ...Item[]]): Item {
  return items[random.below(items.length)] ?? items[0];
}

/** So many distinct items, in the order of the list. */
export function someOf<Item>(random: Random, items: readonly Item[], count: number): Item[] {
  const chosen: Item[] = [];
  let wanted = Math.min(count, items.length);
  for (const [position, item] of items.entries()) {
    if (wanted > 0 && random.below(items.length - position) < wanted) {
      chosen.push(item);
      wanted -= 1;
    }
  }
  return chosen;
}
