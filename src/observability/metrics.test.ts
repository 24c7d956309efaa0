import { expect, test } from 'vitest'
import { Exposition } from '../../test/support/exposition.ts'
import { Metrics, type MetricsSnapshot, renderMerged } from './metrics.ts'

async function scrape(metrics: Metrics): Promise<Exposition> {
  return new Exposition(await metrics.render())
}

test('the counts of a cache are read when they are asked for', async () => {
  const metrics = new Metrics()
  const counts = { requests: 0, hits: 0, errors: 0, evicted: 0, displaced: 0, entries: 0 }
  metrics.showCache(counts)
  for (const factor of [0, 1, 2]) {
    Object.assign(counts, {
      ...{ requests: 7 * factor, hits: 5 * factor, errors: 2 * factor },
      ...{ evicted: 3 * factor, displaced: 4 * factor, entries: 9 * factor },
    })
    const scraped = await scrape(metrics)
    expect(scraped.value('registry_storage_cache_requests_total')).toBe(7 * factor)
    expect(scraped.value('registry_storage_cache_hits_total')).toBe(5 * factor)
    expect(scraped.value('registry_storage_cache_errors_total')).toBe(2 * factor)
    expect(scraped.value('registry_storage_cache_evictions_total', { reason: 'deleted' })).toBe(3 * factor)
    expect(scraped.value('registry_storage_cache_evictions_total', { reason: 'displaced' })).toBe(4 * factor)
    expect(scraped.value('registry_storage_cache_entries')).toBe(9 * factor)
  }
})

test('the time that Redis takes is there once there is one', async () => {
  const metrics = new Metrics()
  expect((await scrape(metrics)).types.has('registry_storage_cache_redis_seconds')).toBe(false)
  metrics.redisTimer().observe('Stat', 0.0002)
  const scraped = await scrape(metrics)
  const bucket = (le: string) =>
    scraped.value('registry_storage_cache_redis_seconds_bucket', { operation: 'Stat', le })
  expect([bucket('0.0001'), bucket('0.00025'), bucket('+Inf')]).toEqual([0, 1, 1])
})

test('what Node says of itself is there', async () => {
  const { types } = await scrape(new Metrics())
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_eventloop_lag_seconds',
  ]) {
    expect([...types.keys()]).toContain(name)
  }
})

test('several processes are rendered as one', async () => {
  const parts = [1, 2].map((times) => {
    const metrics = new Metrics()
    const actions = metrics.storageTimer('filesystem')
    for (let time = 0; time < times; time++) {
      metrics.requests.begun('blob')
      const sizes = { requestBytes: 10, responseBytes: 0 }
      metrics.requests.ended('blob', { method: 'HEAD', status: 200, seconds: 0.001, ...sizes })
      actions.observe('Stat', 0.02)
    }
    metrics.requests.begun('blob')
    metrics.showCache({ requests: times, hits: 0, errors: 0, evicted: times, displaced: 0, entries: times })
    return metrics
  })
  // As JSON, like between processes.
  const snapshots = await Promise.all(
    parts.map(async (part): Promise<MetricsSnapshot> => JSON.parse(JSON.stringify(await part.snapshot()))),
  )
  const merged = new Exposition(await renderMerged(snapshots))
  const request = { handler: 'blob', method: 'head' }
  expect(merged.value('registry_http_requests_total', { ...request, code: '200' })).toBe(3)
  expect(merged.value('registry_http_in_flight_requests', { handler: 'blob' })).toBe(2)
  expect(merged.value('registry_http_request_duration_seconds_count', request)).toBe(3)
  const action = { driver: 'filesystem', action: 'Stat' }
  expect(merged.value('registry_storage_action_seconds_bucket', { ...action, le: '0.01' })).toBe(0)
  expect(merged.value('registry_storage_action_seconds_bucket', { ...action, le: '0.025' })).toBe(3)
  expect(merged.value('registry_storage_action_seconds_sum', action)).toBeCloseTo(0.06)
  expect(merged.value('registry_storage_cache_entries')).toBe(3)
  expect(merged.value('registry_storage_cache_evictions_total', { reason: 'deleted' })).toBe(3)
  const alone = await scrape(parts[0]!)
  const registryNames = (types: ReadonlyMap<string, string>) =>
    [...types].filter(([name]) => name.startsWith('registry_')).sort()
  expect(registryNames(merged.types)).toEqual(registryNames(alone.types))
})

test('numbers that JSON cannot carry are not in a snapshot', async () => {
  const metrics = new Metrics()
  metrics.storageTimer('inmemory').observe('Stat', Number.NaN)
  const snapshot = JSON.stringify(await metrics.snapshot())
  expect(snapshot).toContain('registry_storage_action_seconds_count')
  expect(snapshot).not.toContain('"value":null')
})
