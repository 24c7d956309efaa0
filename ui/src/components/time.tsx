import { formatAgo, formatTime, parseTime } from '../model/format.ts'

/** A time as its distance from now; the time itself is its title. Unknown times are a dash. */
export function Ago({ time }: { time: string | null | undefined }) {
  const parsed = parseTime(time)
  if (parsed === undefined) return <span class="muted">–</span>
  return (
    <time dateTime={new Date(parsed).toISOString()} title={formatTime(parsed)}>
      {formatAgo(parsed)}
    </time>
  )
}
