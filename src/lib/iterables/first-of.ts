/** The first items that are there, `count` at most. No more are asked for. */
export async function firstOf<Item>(items: AsyncIterable<Item | undefined>, count: number): Promise<Item[]> {
  const found: Item[] = []
  if (count === 0) return found
  for await (const item of items) {
    if (item !== undefined) found.push(item)
    if (found.length === count) break
  }
  return found
}
