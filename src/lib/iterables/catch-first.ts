/** An iterable that goes on with another one if its first step fails. The other steps cost nothing extra.
 *  @param instead gets the error; throws it, or a better one, if there is nothing to go on with */
export function catchFirst<Item>(
  items: AsyncIterable<Item>,
  instead: (error: unknown) => AsyncIterable<Item> | Promise<never>,
): AsyncIterable<Item> {
  return {
    [Symbol.asyncIterator]() {
      let steps = items[Symbol.asyncIterator]()
      let isFirst = true
      return {
        next() {
          const step = steps.next()
          if (!isFirst) return step
          isFirst = false
          return step.catch(async (error) => {
            steps = (await instead(error))[Symbol.asyncIterator]()
            return steps.next()
          })
        },
        return: async (value) => (await steps.return?.(value)) ?? { done: true, value },
      }
    },
  }
}
