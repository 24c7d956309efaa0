/** The five fields of a line of cron: minute, hour, day of the month, month, day of the week. */
export interface CronTime {
  /** The first minute after a time that it stands for, by the machine's own time zone. */
  next(after: Date): Date
}

const FIELDS = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12 },
  { min: 0, max: 7 },
] as const

/** Beyond that no date comes: the rarest, 29 February, may be eight years away. */
const MAX_DAYS = 9 * 366

/** Reads `minute hour day month weekday`: numbers, `*`, ranges, lists and steps (crontab(5)). Sunday is 0 or 7; where both a day and a
 *  weekday are given, either will do. Undefined if it is none, or no date ever comes. */
export function parseCron(text: string): CronTime | undefined {
  const fields = text.trim().split(/\s+/)
  if (fields.length !== FIELDS.length) return undefined
  const sets: Set<number>[] = []
  for (const [index, limits] of FIELDS.entries()) {
    const values = parseField(fields[index] ?? '', limits)
    if (values === undefined) return undefined
    sets.push(values)
  }
  const [minutes, hours, days, months, weekdays] = sets as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ]
  if (weekdays.has(7)) weekdays.add(0)
  const isEither = fields[2] !== '*' && fields[4] !== '*'
  const isDay = (date: Date) => {
    const [byDay, byWeekday] = [days.has(date.getDate()), weekdays.has(date.getDay())]
    return months.has(date.getMonth() + 1) && (isEither ? byDay || byWeekday : byDay && byWeekday)
  }
  const find = (after: Date): Date | undefined => {
    for (let day = 0; day < MAX_DAYS; day++) {
      const date = new Date(after.getFullYear(), after.getMonth(), after.getDate() + day)
      if (!isDay(date)) continue
      for (const hour of sorted(hours)) {
        for (const minute of sorted(minutes)) {
          const time = new Date(date.getFullYear(), date.getMonth(), date.getDate(), hour, minute)
          if (time > after) return time
        }
      }
    }
    return undefined
  }
  if (find(new Date(0)) === undefined) return undefined
  return { next: (after) => find(after) as Date }
}

function parseField(field: string, { min, max }: { min: number; max: number }): Set<number> | undefined {
  const values = new Set<number>()
  for (const part of field.split(',')) {
    const [, range = '', step] = /^(\*|\d+(?:-\d+)?)(?:\/(\d+))?$/.exec(part) ?? []
    if (range === '') return undefined
    const [low, high] = range === '*' ? [min, max] : range.split('-').map(Number)
    const from = low as number
    const to = high ?? (step === undefined ? from : max)
    const by = Number(step ?? 1)
    if (from < min || to > max || from > to || by === 0) return undefined
    for (let value = from; value <= to; value += by) values.add(value)
  }
  return values
}

function sorted(values: ReadonlySet<number>): number[] {
  return [...values].sort((one, other) => one - other)
}
