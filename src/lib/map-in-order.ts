/** Applies work to a sequence, a few items at a time, and yields the results in the sequence's order. At most
 *  `concurrency` items are being worked on. Work may return its result at once, which saves a promise. */
export async function* mapInOrder<Item, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  { concurrency, work }: { concurrency: number; work: (item: Item) => Result | Promise<Result> },
): AsyncGenerator<Result> {
  const begun: (Result | Promise<Result>)[] = []
  for await (const item of items) {
    const result = work(item)
    if (result instanceof Promise) result.catch(() => {}) // thrown below, where it is awaited
    begun.push(result)
    if (begun.length === concurrency) yield await (begun.shift() as Result | Promise<Result>)
  }
  for (const result of begun) yield await result
}
