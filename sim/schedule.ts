/*
 * The one queue of future events, ordered by (time, class, order of insertion), integers only. A four-ary heap of small
 * objects of one shape; equal times never depend on how the heap is laid out, because the sequence breaks every tie.
 */

/**
 * What is to happen. The world gives the meaning of `kind`, `slot`, `life` and `number`; `payload` is whatever the
 * event carries by reference.
 */
export interface ScheduledEvent {
  readonly timeUs: number;
  /** class · 2^44 + sequence: the order inside one instant. */
  readonly rank: number;
  readonly kind: number;
  readonly slot: number;
  readonly life: number;
  readonly number: number;
  readonly payload: unknown;
}

const classStep = 17_592_186_044_416; // 2^44

export class Schedule {
  readonly #heap: ScheduledEvent[] = [];
  #sequence = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** Time of the next event; undefined when there is none. */
  get nextTimeUs(): number | undefined {
    return this.#heap[0]?.timeUs;
  }

  /** @param order 0..255: smaller comes first inside one instant */
  add(timeUs: number, order: number, kind: number, slot: number, life: number, number: number, payload: unknown): void {
    const rank = order * classStep + this.#sequence++;
    const event: ScheduledEvent = { timeUs, rank, kind, slot, life, number, payload };
    const heap = this.#heap;
    let position = heap.length;
    heap.push(event);
    while (position > 0) {
      const parentPosition = (position - 1) >> 2;
      const parent = heap[parentPosition] as ScheduledEvent;
      if (parent.timeUs < timeUs || (parent.timeUs === timeUs && parent.rank < rank)) break;
      heap[position] = parent;
      position = parentPosition;
    }
    heap[position] = event;
  }

  /** Removes and returns the earliest event; undefined when there is none. */
  take(): ScheduledEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    const length = heap.length;
    const { timeUs, rank } = last;
    let position = 0;
    for (;;) {
      const firstChild = position * 4 + 1;
      if (firstChild >= length) break;
      const end = firstChild + 4 < length ? firstChild + 4 : length;
      let least = heap[firstChild] as ScheduledEvent;
      let leastPosition = firstChild;
      for (let child = firstChild + 1; child < end; child++) {
        const candidate = heap[child] as ScheduledEvent;
        if (candidate.timeUs < least.timeUs || (candidate.timeUs === least.timeUs && candidate.rank < least.rank)) {
          least = candidate;
          leastPosition = child;
        }
      }
      if (timeUs < least.timeUs || (timeUs === least.timeUs && rank < least.rank)) break;
      heap[position] = least;
      position = leastPosition;
    }
    heap[position] = last;
    return first;
  }
}
