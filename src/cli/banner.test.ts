import { expect, test } from 'vitest'
import { banner } from './banner.ts'

const facts = { storage: '/data', config: 'built-in defaults' }

test.each([
  ['http://127.0.0.1:5000', 'skopeo copy --dest-tls-verify=false docker://'],
  ['https://127.0.0.1:5000', 'skopeo copy docker://'],
])('the greeting of %s tells how to push to it', (address, copy) => {
  const text = banner({ ...facts, address })
  expect(text).toContain(`Entrepot listens on ${address}\n`)
  expect(text).toContain('docker push 127.0.0.1:5000/alpine\n')
  expect(text).toContain(`${copy}docker.io/library/alpine docker://127.0.0.1:5000/alpine\n`)
})

test('the greeting of a socket tells of no push, which no client could do', () => {
  expect(banner({ ...facts, address: 'unix:/run/registry.sock' })).not.toContain('push')
})
