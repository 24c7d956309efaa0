import { afterEach, describe, expect, it } from 'vitest'
import { RawConnection } from '../../test/support/raw-connection.ts'
import { RecordedLog } from '../../test/support/recorded-log.ts'
import { DebugServer, type MetricsPage } from './debug-server.ts'

const running: DebugServer[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.close()
})

async function start({ metrics }: { metrics?: MetricsPage } = {}) {
  const { log, lines } = await RecordedLog.start()
  const server = new DebugServer({ metrics, log })
  running.push(server)
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return { server, port, url: `http://127.0.0.1:${port}`, lines }
}

const metrics: MetricsPage = { path: '/metrics', render: async () => 'a_total 1\n' }

describe('the debug server', () => {
  it('answers the metrics at their path', async () => {
    const { url } = await start({ metrics })
    const answer = await fetch(`${url}/metrics?collect[]=a`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(await answer.text()).toBe('a_total 1\n')
  })

  it('answers a HEAD with the length', async () => {
    const { url } = await start({ metrics })
    const answer = await fetch(`${url}/metrics`, { method: 'HEAD' })
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, '10'])
  })

  it('says that nothing is unhealthy', async () => {
    const { url } = await start()
    const answer = await fetch(`${url}/debug/health`)
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect([answer.status, await answer.text()]).toEqual([200, '{}'])
  })

  it.each(['/', '/metrics/', '/METRICS', '/debug/pprof/', '/debug/vars', '/v2/', '//metrics'])(
    'has nothing at %s',
    async (path) => {
      const { url } = await start({ metrics })
      expect((await fetch(`${url}${path}`)).status).toBe(404)
    },
  )

  it('has no metrics where nothing is measured', async () => {
    const { url } = await start()
    expect((await fetch(`${url}/metrics`)).status).toBe(404)
  })

  it('takes nothing in', async () => {
    const { url } = await start({ metrics })
    const answer = await fetch(`${url}/metrics`, { method: 'POST', body: 'a_total 2' })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  it('says that the metrics failed, and why only in the log', async () => {
    const render = () => Promise.reject(new Error('the inside'))
    const { url, lines } = await start({ metrics: { path: '/metrics', render } })
    const answer = await fetch(`${url}/metrics`)
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('inside')
    expect(lines.join()).toContain('the inside')
  })

  it('does not begin on an address that is taken', async () => {
    const { port } = await start()
    const second = new DebugServer({ log: (await RecordedLog.start()).log })
    await expect(second.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it('ends though a client does not take its answer', async () => {
    const { promise: isAsked, resolve } = Promise.withResolvers<void>()
    const render = async () => {
      resolve()
      return 'x'.repeat(64 * 1024 * 1024)
    }
    const { server, port } = await start({ metrics: { path: '/metrics', render } })
    using connection = await RawConnection.open(port)
    connection.socket.pause()
    connection.writeHead('GET /metrics HTTP/1.1', 'Host: localhost')
    await isAsked
    const startedAt = performance.now()
    await server.close()
    running.pop()
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })
})
