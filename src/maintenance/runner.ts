import type { Log } from '../core/log.ts'

/** One thing that long work means to do. */
export interface Step {
  /** For the log: what is done to what, and why. */
  readonly intent: { readonly action: string } & Readonly<Record<string, unknown>>
  run(): Promise<void>
}

export interface RunOptions<S extends Step> {
  log: Log
  /** Only say what would be done. */
  dryRun: boolean
  signal?: AbortSignal
  /** Told of each step once it was carried out; in a dry run, of what would be. */
  onStep?: (step: S) => void
}

export interface RunResult {
  done: number
  failed: number
}

/** Carries out what long work intends, a step at a time. A step that fails is logged and the rest goes on. */
export async function run<S extends Step>(
  steps: AsyncIterable<S>,
  { log, dryRun, signal, onStep }: RunOptions<S>,
): Promise<RunResult> {
  const result = { done: 0, failed: 0 }
  for await (const step of steps) {
    const { intent } = step
    if (signal?.aborted) break
    try {
      if (!dryRun) await step.run()
      result.done += 1
      onStep?.(step)
      log.info({ ...intent, dryRun }, 'maintenance step')
    } catch (err) {
      result.failed += 1
      log.error({ ...intent, err }, 'maintenance step failed')
    }
  }
  return result
}
