import { Cron } from 'croner'

/** The five fields of a cron line: minute, hour, day of the month, month, day of the week. */
export interface CronTime {
  /** The first matching minute after a time, in the machine's time zone. */
  next(after: Date): Date
}

/** Parses `minute hour day month weekday` (crontab(5)). Sunday is 0 or 7. If both a day and a weekday are
 *  given, either matches. Undefined if it is malformed, or matches no date. */
export function parseCron(text: string): CronTime | undefined {
  if (text.trim().split(/\s+/).length !== 5) return undefined
  try {
    const cron = new Cron(text, { paused: true })
    const next = (after: Date) => cron.nextRun(after)
    if (next(new Date()) === null) return undefined
    return { next: (after) => next(after) as Date }
  } catch {
    return undefined // it throws for nothing but a text that is no time
  }
}
