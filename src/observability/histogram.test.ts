import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { Exposition } from '../../test/support/exposition.ts'
import { formatBound, Histogram, HistogramFamily, HistogramTimer } from './histogram.ts'

test('a value is in the bucket of its bound and in all above', () => {
  const histogram = new Histogram({ kind: 'a' }, [1, 2.5])
  for (const value of [0, 1, 1.1, 2.5, 2.6, 100]) histogram.observe(value)
  expect(
    histogram.samples('size').map(({ metricName, labels, value }) => [metricName, labels, value]),
  ).toEqual([
    ['size_bucket', { kind: 'a', le: '1' }, 2],
    ['size_bucket', { kind: 'a', le: '2.5' }, 4],
    ['size_bucket', { kind: 'a', le: '+Inf' }, 6],
    ['size_sum', { kind: 'a' }, 107.2],
    ['size_count', { kind: 'a' }, 6],
  ])
})

test('nothing is said of what was never seen', async () => {
  const registry = new Registry()
  const family = new HistogramFamily(registry, { name: 'size', help: 'Sizes', bounds: [1] })
  family.child({ kind: 'a' })
  family.child({ kind: 'b' }).observe(3)
  const { samples, types } = new Exposition(await registry.metrics())
  expect(types.get('size')).toBe('histogram')
  expect(new Set(samples.map(({ labels }) => labels.kind))).toEqual(new Set(['b']))
})

test('a timer has a histogram for each operation', async () => {
  const registry = new Registry()
  const family = new HistogramFamily(registry, { name: 'took', help: 'Times', bounds: [1] })
  const timer = new HistogramTimer(family, { labels: { driver: 'd' }, operationLabel: 'action' })
  for (const [operation, seconds] of [
    ['Stat', 0.5],
    ['Stat', 2],
    ['List', 1],
  ] as const) {
    timer.observe(operation, seconds)
  }
  const scraped = new Exposition(await registry.metrics())
  expect(scraped.value('took_bucket', { driver: 'd', action: 'Stat', le: '1' })).toBe(1)
  expect(scraped.value('took_count', { driver: 'd', action: 'Stat' })).toBe(2)
  expect(scraped.value('took_sum', { driver: 'd', action: 'List' })).toBe(1)
})

test.each([
  [0.005, '0.005'],
  [60, '60'],
  [524_288, '524288'],
  [1_048_576, '1.048576e+06'],
  [134_217_728, '1.34217728e+08'],
  [2_147_483_648, '2.147483648e+09'],
  [1e12, '1e+12'],
  [Number.POSITIVE_INFINITY, '+Inf'],
])('the bound %d is written as Go does: %s', (bound, text) => expect(formatBound(bound)).toBe(text))
