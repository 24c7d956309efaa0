import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** Lets V8's young generation grow until it takes up more than so many bytes; it grows by doubling. A small one is collected so often
 *  that a fifth of a request's time goes there; in a large one, what lies outside the heap, such as the bytes of request bodies, is
 *  kept for longer. V8 takes a limit only at the start of the process, but the factor of growth at any time. */
export function growYoungGeneration({ untilBytes }: { readonly untilBytes: number }): void {
  const observer = new PerformanceObserver(() => {
    const { space_size: size = 0 } =
      getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space') ?? {}
    if (size <= untilBytes) return
    setFlagsFromString('--semi-space-growth-factor=1')
    observer.disconnect()
  })
  observer.observe({ entryTypes: ['gc'] })
}
