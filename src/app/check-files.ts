/** The file checks of `entrepot config check`: opens the configured files as the start does, and changes
 *  nothing. */
import { readRedisTls } from '../config/redis-tls.ts'
import type { Config } from '../config/schema.ts'
import type { Log } from '../core/log.ts'
import { requireWritable } from '../lib/files/writable.ts'

export interface FileCheck {
  /** Errors that would prevent the start. */
  readonly problems: readonly string[]
  /** Warnings, each with its key or file. */
  readonly warnings: readonly string[]
}

/** Checks every file, also after errors in others. */
export async function checkFiles(config: Config): Promise<FileCheck> {
  const warnings: string[] = []
  const log = collectingLog(warnings)
  const outcomes = await Promise.allSettled([
    ...(await accessChecks(config, log)),
    checkCertificates(config, log),
    checkRedis(config),
    checkStorageKeys(config),
    ...middlewareChecks(config),
  ])
  const problems = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
  return { problems: problems.map(messageOf), warnings }
}

async function accessChecks({ auth }: Config, log: Log): Promise<Promise<void>[]> {
  const { checkAccessFiles } = await import('../auth/check-access-files.ts')
  const { audit } = auth
  const isFile = audit !== undefined && audit.path !== 'stdout'
  return [...checkAccessFiles(auth, log), ...(isFile ? [checkWritable('auth.audit.path', audit.path)] : [])]
}

async function checkCertificates({ http: { tls } }: Config, log: Log): Promise<void> {
  if (tls === undefined) return
  if (tls.certificate !== '') {
    const [{ CertificateFiles }, { tlsPolicy }] = await Promise.all([
      import('../tls/certificate-files.ts'),
      import('../tls/policy.ts'),
    ])
    ;(await CertificateFiles.open({ ...tls, policy: tlsPolicy(tls), log })).close()
    return
  }
  const { readAuthorities } = await import('../tls/files.ts')
  await readAuthorities(tls.clientcas)
  const { cachefile } = tls.letsencrypt
  if (cachefile !== '') await checkWritable('http.tls.letsencrypt.cachefile', cachefile)
}

async function checkRedis({ redis }: Config): Promise<void> {
  if (redis !== undefined) await readRedisTls(redis)
}

async function checkStorageKeys({ storage: { gcs } }: Config): Promise<void> {
  if (gcs === undefined || gcs.keyfile === '') return
  const { readCredentials } = await import('../storage/gcs/connection.ts')
  await readCredentials(gcs)
}

function middlewareChecks(config: Config): Promise<void>[] {
  const ofStorage = config.middleware.storage.flatMap((entry, index) =>
    entry.disabled || entry.name !== 'cloudfront' ? [] : [checkSigningKey(entry.options.privatekey, index)],
  )
  return [...ofStorage, checkRegistryModules(config)]
}

async function checkRegistryModules(config: Config): Promise<void> {
  const { checkRegistryMiddleware } = await import('./registry-middleware.ts')
  await checkRegistryMiddleware(config)
}

async function checkSigningKey(path: string, index: number): Promise<void> {
  const { cloudFrontKey } = await import('./storage-middleware.ts')
  await cloudFrontKey(path, index)
}

async function checkWritable(key: string, path: string): Promise<void> {
  try {
    await requireWritable(path)
  } catch (cause) {
    throw new Error(`${key}: ${path}: ${messageOf(cause)}`, { cause })
  }
}

/** A log that collects the warnings of opened files and drops everything else. */
function collectingLog(warnings: string[]): Log {
  const warn = (fields: { key?: string; path?: string }, message: string) => {
    warnings.push(`${fields.key ?? fields.path}: ${message}`)
  }
  return { debug() {}, info() {}, warn, error() {} }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
