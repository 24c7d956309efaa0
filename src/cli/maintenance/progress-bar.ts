import progressBars from 'cli-progress'

const { Format, Presets, SingleBar } = progressBars

const REFRESH_MS = 250

/** What long work is doing. */
export interface Activity {
  readonly phase: string
  readonly done: number
  /** Undefined if it is not known. */
  readonly total: number | undefined
}

/** Shows the progress of long work on the terminal, on standard error: its phase, its rate and the time left.
 *  @returns a function that removes it */
export function showProgress(progress: () => Activity): () => void {
  const startedAt = performance.now()
  let phase: { name: string; since: number } | undefined
  const bar = new SingleBar(
    {
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      format: (options, parameters, payload) => {
        const { name, rate } = payload as { name: string; rate: string }
        const seconds = Math.round((performance.now() - startedAt) / 1000)
        const share = parameters.total > 0 ? Format.BarFormat(parameters.progress, options) : ''
        const isKnown = Number.isFinite(parameters.eta) && parameters.total > 0
        const left = isKnown ? `, ${Format.TimeFormat(Number(parameters.eta), options, 5)} left` : ''
        return `${share} ${name}: ${parameters.value}, ${rate} a second, ${seconds}s${left}`.trim()
      },
    },
    Presets.shades_classic,
  )
  const show = () => {
    const { phase: name, done, total = 0 } = progress()
    if (phase?.name !== name) phase = { name, since: performance.now() }
    const rate = (done / Math.max(1, (performance.now() - phase.since) / 1000)).toFixed(0)
    bar.setTotal(total)
    bar.update(done, { name, rate })
  }
  bar.start(0, 0, { name: progress().phase, rate: '0' })
  const timer = setInterval(show, REFRESH_MS)
  return () => {
    clearInterval(timer)
    bar.stop()
  }
}
