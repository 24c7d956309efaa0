import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Authority } from '../../test/support/authority.ts'
import { type TemporaryFolder, temporaryFolder } from '../../test/support/temporary-folder.ts'
import { CertificateFolder, newKey } from './certificate-folder.ts'

const host = 'registry.example.com'
let temporary: TemporaryFolder
let folder: CertificateFolder
beforeEach(async () => {
  temporary = await temporaryFolder()
  folder = await CertificateFolder.open(join(temporary.path, 'certificates'))
})
afterEach(() => temporary.remove())

const at = (name: string) => join(temporary.path, 'certificates', name)

test('of many who want the turn at once one has it, and the others leave nothing behind', async () => {
  const turns = await Promise.all(Array.from({ length: 16 }, () => folder.takeTurn(host, 60_000)))
  expect(turns.filter((turn) => turn !== undefined)).toEqual([{ failures: 0 }])
  expect(await readdir(at('.'))).toEqual([`${host}+attempt`])
})

test('after a failure the turn comes again in its time, and knows how many there were', async () => {
  await folder.takeTurn(host, 60_000)
  await folder.failed(host, { until: Date.now() + 60_000, failures: 3 })
  expect(await folder.takeTurn(host, 60_000)).toBeUndefined()
  await folder.failed(host, { until: Date.now() - 1, failures: 3 })
  expect(await folder.takeTurn(host, 60_000)).toEqual({ failures: 3 })
  expect(await folder.takeTurn(host, 60_000)).toBeUndefined()
  await folder.succeeded(host)
  expect(await folder.takeTurn(host, 60_000)).toEqual({ failures: 0 })
})

test('a turn that was never given back ends by itself', async () => {
  await folder.takeTurn(host, -1)
  expect(await folder.takeTurn(host, 60_000)).toEqual({ failures: 0 })
})

test('there is one account, whoever asks first', async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => folder.accountKey()))
  expect(new Set(keys).size).toBe(1)
  expect(keys[0]).toMatch(/^-----BEGIN EC PRIVATE KEY-----/)
  expect(await readdir(at('.'))).toEqual(['acme_account+key'])
})

test('what is no certificate with its key counts as none', async () => {
  expect(await folder.certificate(host)).toBeUndefined()
  const { cert, key } = await (await Authority.create('the authority')).issue('a', { hosts: [host] })
  for (const broken of ['', 'nonsense', cert, key, newKey() + cert, `${key}-----BEGIN CERTIFICATE-----`]) {
    await writeFile(at(host), broken)
    expect(await folder.certificate(host)).toBeUndefined()
  }
  await folder.putCertificate(host, key + cert)
  expect((await folder.certificate(host))?.certificate.subject).toBe('CN=a')
})

test('half a note about an attempt keeps nobody from trying', async () => {
  await writeFile(at(`${host}+attempt`), '{"until":')
  expect(await folder.takeTurn(host, 60_000)).toEqual({ failures: 0 })
})

test('a file in its place, and a folder that cannot be written to, are said by the key', async () => {
  await writeFile(join(temporary.path, 'file'), '')
  for (const path of ['file', 'file/below']) {
    await expect(CertificateFolder.open(join(temporary.path, path))).rejects.toThrow(
      /^http\.tls\.letsencrypt\.cachefile cannot be used as a folder: /,
    )
  }
  await mkdir(join(temporary.path, 'there'))
  await expect(CertificateFolder.open(join(temporary.path, 'there'))).resolves.toBeDefined()
})
