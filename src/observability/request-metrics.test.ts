import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { Exposition } from '../../test/support/exposition.ts'
import { RequestMetrics } from './request-metrics.ts'

function start() {
  const registry = new Registry()
  const metrics = new RequestMetrics(registry)
  const serve = (resource: string, method: string, status: number) => {
    metrics.begun(resource)
    metrics.ended(resource, { method, status, seconds: 0.02, requestBytes: 100, responseBytes: 2000 })
  }
  return { metrics, serve, scrape: async () => new Exposition(await registry.metrics()) }
}

test('an answer counts by its code, its handler and its method', async () => {
  const { serve, scrape } = start()
  serve('blob', 'GET', 200)
  serve('blob', 'GET', 200)
  serve('blob', 'GET', 404)
  serve('uploads', 'POST', 202)
  const scraped = await scrape()
  const counted = (code: string, handler: string, method: string) =>
    scraped.value('registry_http_requests_total', { code, handler, method })
  expect(counted('200', 'blob', 'get')).toBe(2)
  expect(counted('404', 'blob', 'get')).toBe(1)
  expect(counted('202', 'blob_upload', 'post')).toBe(1)
  const took = { handler: 'blob', method: 'get' }
  expect(scraped.value('registry_http_request_duration_seconds_bucket', { ...took, le: '0.01' })).toBe(0)
  expect(scraped.value('registry_http_request_duration_seconds_bucket', { ...took, le: '0.025' })).toBe(3)
  expect(scraped.value('registry_http_request_size_bytes_sum', { handler: 'blob' })).toBe(300)
  expect(scraped.value('registry_http_response_size_bytes_sum', { handler: 'blob' })).toBe(6000)
  expect(scraped.value('registry_http_response_size_bytes_bucket', { handler: 'blob', le: '1024' })).toBe(0)
})

test('counting goes on from one scrape to the next', async () => {
  const { serve, scrape } = start()
  const labels = { code: '200', handler: 'base', method: 'head' }
  for (const expected of [1, 2, 3]) {
    serve('api', 'HEAD', 200)
    expect((await scrape()).value('registry_http_requests_total', labels)).toBe(expected)
  }
})

test('a request is in flight until it has ended', async () => {
  const { metrics, serve, scrape } = start()
  const inFlight = async () => (await scrape()).value('registry_http_in_flight_requests', { handler: 'base' })
  expect(await inFlight()).toBe(0)
  metrics.begun('api')
  metrics.begun('apiWithoutSlash')
  expect(await inFlight()).toBe(2)
  serve('api', 'GET', 200)
  expect(await inFlight()).toBe(2)
  for (const resource of ['api', 'apiWithoutSlash']) {
    metrics.ended(resource, { method: 'GET', status: 200, seconds: 0, requestBytes: 0, responseBytes: 0 })
  }
  expect(await inFlight()).toBe(0)
})

test('methods that nobody knows are one, and resources that Distribution lacks have their own name', async () => {
  const { serve, scrape } = start()
  for (const method of ['PROPFIND', 'get', 'unknown', 'X-SECRET']) serve('api', method, 405)
  serve('keySet', 'GET', 200)
  const scraped = await scrape()
  const labels = { code: '405', handler: 'base', method: 'unknown' }
  expect(scraped.value('registry_http_requests_total', labels)).toBe(4)
  expect(scraped.labelValues('registry_http_requests_total', 'method')).toEqual(new Set(['unknown', 'get']))
  expect(scraped.labelValues('registry_http_requests_total', 'handler')).toEqual(new Set(['base', 'key_set']))
})

test('logins that failed are counted', async () => {
  const { metrics, scrape } = start()
  metrics.loginFailed()
  metrics.loginFailed()
  expect((await scrape()).value('registry_auth_failed_logins_total', {})).toBe(2)
})
