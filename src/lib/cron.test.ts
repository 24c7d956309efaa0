import { expect, test } from 'vitest'
import { parseCron } from './cron.ts'

const next = (cron: string, after: string) => {
  const time = parseCron(cron)?.next(new Date(after))
  if (time === undefined) return undefined
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`
}

test.each([
  ['0 3 * * *', '2026-11-29T10:37:00', '2026-11-30 03:00'],
  ['0 3 * * *', '2026-11-30T02:59:59', '2026-11-30 03:00'],
  ['0 3 * * *', '2026-11-30T03:00:00', '2026-12-01 03:00'],
  ['*/15 * * * *', '2026-11-29T10:37:00', '2026-11-29 10:45'],
  ['5,35 8-10 * * *', '2026-11-29T10:37:00', '2026-11-30 08:05'],
  ['30 2 1 * *', '2026-11-29T10:37:00', '2026-12-01 02:30'],
  ['0 0 29 2 *', '2026-11-29T10:37:00', '2028-02-29 00:00'],
  ['0 0 * * 7', '2026-11-29T10:37:00', '2026-12-06 00:00'],
  ['0 0 13 * 5', '2026-11-29T10:37:00', '2026-12-04 00:00'],
  ['10-59/20 1 * * *', '2026-11-29T01:31:00', '2026-11-29 01:50'],
])('%s after %s is %s', (cron, after, expected) => {
  expect(next(cron, after)).toBe(expected)
})

test.each([
  '',
  '* * * *',
  '60 * * * *',
  '0 24 * * *',
  '0 0 0 * *',
  '0 0 31 2 *',
  'a b c d e',
  '5-1 * * * *',
  '*/0 * * * *',
  '@daily',
])('%j is no time', (cron) => {
  expect(parseCron(cron)).toBeUndefined()
})
