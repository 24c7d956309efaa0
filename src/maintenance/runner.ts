import type { Log } from '../core/log.ts'

/** One thing that long work means to do. */
export interface Step {
  /** For the log: what is done to what, and why. */
  readonly intent: { readonly action: string } & Readonly<Record<string, unknown>>
  run(): Promise<void>
}

export interface RunOptions {
  log: Log
  /** Only say what would be done. */
  dryRun: boolean
  signal?: AbortSignal
}

export interface RunResult {
  done: number
  failed: number
}

/** Carries out what long work intends, a step at a time. A step that fails is logged and the rest goes on. */
export async function run(
  steps: AsyncIterable<Step>,
  { log, dryRun, signal }: RunOptions,
): Promise<RunResult> {
  const result = { done: 0, failed: 0 }
  for await (const { intent, run: carryOut } of steps) {
    if (signal?.aborted) break
    try {
      if (!dryRun) await carryOut()
      result.done += 1
      log.info({ ...intent, dryRun }, 'maintenance step')
    } catch (err) {
      result.failed += 1
      log.error({ ...intent, err }, 'maintenance step failed')
    }
  }
  return result
}
