/** Limits an `LRUCache` to a number of entries. With its own `max` it takes memory for all of them when it is made: those of a
 *  registry would take 20 ms of its start. */
export function atMost(entries: number): {
  readonly maxSize: number
  readonly sizeCalculation: () => number
} {
  return { maxSize: entries, sizeCalculation: () => 1 }
}
