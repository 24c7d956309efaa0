import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Authority } from '../../test/support/authority.ts'
import { RecordedLog } from '../../test/support/recorded-log.ts'
import { type TemporaryFolder, temporaryFolder } from '../../test/support/temporary-folder.ts'
import { CertificateFiles } from './certificate-files.ts'
import type { CertificatesOptions } from './certificates.ts'

let folder: TemporaryFolder
let authority: Authority
let recorded: RecordedLog
const opened: CertificateFiles[] = []
beforeEach(async () => {
  folder = await temporaryFolder()
  authority = await Authority.create('the authority')
  recorded = await RecordedLog.start()
})
afterEach(async () => {
  for (const files of opened.splice(0)) files.close()
  await folder.remove()
})

const at = (name: string) => join(folder.path, name)

async function write(name: string, options: { in?: string; validTo?: Date } = {}) {
  const { cert, key } = await authority.issue(name, options)
  await writeFile(join(options.in ?? folder.path, 'tls.crt'), cert)
  await writeFile(join(options.in ?? folder.path, 'tls.key'), key)
  return { cert, key }
}

async function open(changes: Partial<CertificatesOptions> = {}): Promise<CertificateFiles> {
  const files = await CertificateFiles.open({
    certificate: at('tls.crt'),
    key: at('tls.key'),
    clientcas: [],
    letsencrypt: { cachefile: '', email: '', hosts: [] },
    policy: {},
    log: recorded.log,
    pollMs: 20,
    ...changes,
  })
  opened.push(files)
  return files
}

const certOf = (files: CertificateFiles) => String(files.secureContext.cert)

/** Resolves at the next change. */
const changeOf = (files: CertificateFiles) => new Promise<void>((resolve) => files.watch(resolve))

test('a file that is replaced is read again', async () => {
  const first = await write('first')
  const files = await open()
  expect(certOf(files)).toBe(first.cert)
  const changed = changeOf(files)
  const second = await write('second')
  await changed
  expect(certOf(files)).toBe(second.cert)
  expect(await recorded.until('the certificate was reloaded')).toContain('CN=second')
})

test('a folder that is turned to another one, as Kubernetes does it, is seen', async () => {
  await mkdir(at('one'))
  await mkdir(at('two'))
  await write('first', { in: at('one') })
  const second = await write('second', { in: at('two') })
  await symlink('one', at('..data'))
  for (const name of ['tls.crt', 'tls.key']) await symlink(join('..data', name), at(name))
  const files = await open()
  const changed = changeOf(files)
  await symlink('two', at('..data_tmp'))
  await rename(at('..data_tmp'), at('..data'))
  await changed
  expect(certOf(files)).toBe(second.cert)
})

test('what cannot be used changes nothing, is said once, and is over when it is mended', async () => {
  const first = await write('first')
  const files = await open()
  const changed = changeOf(files)
  const { cert, key } = await authority.issue('second')
  await writeFile(at('tls.crt'), cert)
  const said = 'the new certificate is unusable; the old one stays in use'
  expect(await recorded.until(said)).toContain('http.tls.key is not the key of http.tls.certificate')
  expect(certOf(files)).toBe(first.cert)
  for (let n = 0; n < 3; n++) await files.reload()
  expect(recorded.lines.filter((line) => line.includes(said))).toHaveLength(1)
  await rm(at('tls.crt'))
  await recorded.until('http.tls.certificate cannot be read')
  await writeFile(at('tls.crt'), 'nonsense')
  await recorded.until('http.tls.certificate is no certificate in PEM')
  await writeFile(at('tls.key'), key)
  await writeFile(at('tls.crt'), cert)
  await changed
  expect(certOf(files)).toBe(cert)
})

test('the authorities of clients are read again too', async () => {
  await write('first')
  await writeFile(at('ca.pem'), authority.cert)
  const files = await open({ clientcas: [at('ca.pem')] })
  const changed = changeOf(files)
  const other = await Authority.create('another')
  await writeFile(at('ca.pem'), other.cert)
  await changed
  expect(String(files.secureContext.ca)).toBe(other.cert)
})

test('what is cut off is not taken, be it the chain or the authorities of clients', async () => {
  const first = await write('first')
  const other = await Authority.create('another')
  await writeFile(at('ca.pem'), `${authority.cert}\n${other.cert}`)
  const files = await open({ clientcas: [at('ca.pem')] })
  files.watch(() => {})
  await writeFile(at('ca.pem'), `${authority.cert}\n${other.cert.slice(0, 100)}`)
  await recorded.until('ca.pem is cut off')
  await writeFile(at('tls.crt'), `${first.cert}\n-----BEGIN CERTIF`)
  await writeFile(at('ca.pem'), authority.cert)
  await recorded.until('http.tls.certificate is cut off')
  expect(certOf(files)).toBe(first.cert)
  expect(String(files.secureContext.ca)).toContain(other.cert)
})

test('a certificate and its key are taken together, though a moment lies between them', async () => {
  await write('first')
  const files = await open({ pollMs: 1000 })
  const changed = changeOf(files)
  const { cert, key } = await authority.issue('second')
  await writeFile(at('tls.crt'), cert)
  const seen = files.reload()
  await delay(200)
  await writeFile(at('tls.key'), key)
  await Promise.all([seen, changed])
  expect(certOf(files)).toBe(cert)
  expect(recorded.lines.join()).not.toContain('is unusable')
})

test('it can be told to look at once', async () => {
  await write('first')
  const files = await open({ pollMs: 1_000_000 })
  files.watch(() => {})
  const second = await write('second')
  await files.reload()
  expect(certOf(files)).toBe(second.cert)
})

test('a certificate that is over is used, and said to be', async () => {
  await write('old', { validTo: new Date(Date.now() - 1000) })
  await open()
  await recorded.until('the certificate is not valid today')
})

test.each([
  ['certificate', 'tls.crt', undefined, /^http\.tls\.certificate cannot be read: ENOENT/],
  ['key', 'tls.key', undefined, /^http\.tls\.key cannot be read: ENOENT/],
  ['certificate', 'tls.crt', 'nonsense', /^http\.tls\.certificate is no certificate in PEM/],
  ['key', 'tls.key', 'nonsense', /^http\.tls\.key is no private key in PEM/],
])('a %s that is not there or none keeps it from starting: %s %s', async (_key, name, content, message) => {
  await write('first')
  if (content === undefined) await rm(at(name))
  else await writeFile(at(name), content)
  await expect(open()).rejects.toThrow(message)
})

test('so do a key of another certificate, and an authority that is none', async () => {
  await write('first')
  await expect(open({ clientcas: [at('ca.pem')] })).rejects.toThrow(/^http\.tls\.clientcas cannot be read/)
  await writeFile(at('ca.pem'), 'nonsense')
  await expect(open({ clientcas: [at('ca.pem')] })).rejects.toThrow(
    /^http\.tls\.clientcas.*ca\.pem is no certificate/,
  )
  const { key } = await authority.issue('second')
  await writeFile(at('tls.key'), key)
  await expect(open()).rejects.toThrow('http.tls.key is not the key of http.tls.certificate')
})
