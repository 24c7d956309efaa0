import { beforeEach, describe, expect, it } from 'vitest'
import { namesIn } from '../../../test/contract/storage-driver/support.ts'
import { describeOnGcs, openForEach } from '../../../test/support/gcs-under-test.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'

describeOnGcs('the calls of the driver gcs', (current) => {
  const opened = openForEach(current)
  let driver: StorageDriver
  beforeEach(() => {
    driver = opened().driver
  })

  describe('move', () => {
    it('leaves what stands there, when it is not to be replaced', async () => {
      await driver.put('/from', Buffer.from('new'))
      await driver.put('/to', Buffer.from('old'))
      expect(await driver.move('/from', '/to', { replace: false })).toBe(false)
      expect(Buffer.from(await driver.get('/to')).toString()).toBe('old')
      expect(await namesIn(driver, '/')).toEqual(['from', 'to'])
    })

    it('saves the removal where the file may stay', async () => {
      await driver.put('/from', Buffer.from('content'))
      expect(await driver.move('/from', '/to', { replace: false, mayStay: true })).toBe(true)
      expect(current().server.front.requestsLike(/^DELETE/)).toEqual([])
      expect(Buffer.from(await driver.get('/to')).toString()).toBe('content')
    })

    it('is asked on and on where the storage takes several calls to copy', async () => {
      await driver.put('/from', Buffer.from('content'))
      current().server.front.failFirst(/rewriteTo/, {
        status: 200,
        body: { done: false, rewriteToken: 'onward' },
      })
      await driver.move('/from', '/to')
      expect(current().server.front.requestsLike(/rewriteTo.*rewriteToken=onward/)).toHaveLength(1)
      expect(Buffer.from(await driver.get('/to')).toString()).toBe('content')
    })
  })

  describe('delete', () => {
    it('takes more children than fit into a page', async () => {
      const names = Array.from({ length: 1_100 }, (_, index) => `/a/${index % 3}/${index}`)
      await Promise.all([...names, '/ab'].map((name) => driver.put(name, Buffer.alloc(0))))
      await driver.delete('/a')
      expect(Object.keys(await current().server.objects(opened().bucket))).toEqual(['ab'])
    })

    it('does not list a folder whose files are known', async () => {
      for (const name of ['data', 'startedat', 'other']) await driver.put(`/a/${name}`, Buffer.from(name))
      current().server.front.forget()
      await driver.delete('/a', { knownChildren: ['data', 'startedat', 'absent'] })
      expect(current().server.front.requestsLike(/^DELETE/)).toHaveLength(3)
      expect(await namesIn(driver, '/a')).toEqual(['other'])
    })
  })

  it('no more calls are under way at a time than are allowed', async () => {
    const { driver, close } = await current().open({ maxconcurrency: 3 })
    const { front } = current().server
    front.requests.length = 0
    const gate = Promise.withResolvers<void>()
    front.fault = () => ({ waitFor: gate.promise })
    const puts = Array.from({ length: 10 }, (_, index) => driver.put(`/${index}`, Buffer.from('x')))
    await expect.poll(() => front.requests.length).toBe(3)
    expect(await Promise.race([...puts, new Promise((resolve) => setImmediate(resolve, 'none'))])).toBe(
      'none',
    )
    expect(front.requests).toHaveLength(3)
    gate.resolve()
    await Promise.all(puts)
    await close()
  })

  it('the storage is told who asks', async () => {
    const agents = new Set<string | undefined>()
    current().server.front.fault = ({ headers }) => void agents.add(headers['user-agent'])
    const { driver, close } = await current().open({ useragent: 'our-registry/1' })
    await driver.put('/file', Buffer.from('x'))
    await driver.get('/file')
    agents.delete('node') // the test's own
    expect([...agents]).toEqual(['our-registry/1'])
    await close()
  })
})
