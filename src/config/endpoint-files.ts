import { readFile } from 'node:fs/promises'
import type { Log } from '../core/log.ts'
import { parseWebhookSecret } from '../core/notifications/webhook-secret.ts'
import type { Config } from './schema.ts'

type EndpointConfig = Config['notifications']['endpoints'][number]

/** Time for which the content of a file of secrets is cached. */
const SECRETS_MS = 5_000

/** The certificates that an endpoint is trusted by; undefined for the system's.
 *  @throws Error that names the key whose file can't be read */
export async function readRootCertificates({ rootcas }: EndpointConfig, key: string) {
  if (rootcas.length === 0) return undefined
  return Promise.all(rootcas.map((path) => read(path, `${key}.rootcas`)))
}

/** The secrets of an endpoint, from the configuration and from files, which are read again now and then.
 *  @param log is told if a file can't be read any more, or has something else than secrets by now
 *  @returns what answers the present ones; then, the last ones
 *  @throws Error that names the key whose file can't be read, or has something else than secrets */
export async function openSecrets(
  { secrets, secretfiles }: EndpointConfig,
  { key, log }: { key: string; log: Log },
) {
  const fixed = secrets.map((secret) => parseWebhookSecret(secret)!)
  if (secretfiles.length === 0) return async () => fixed
  const load = async () => [...fixed, ...(await readSecrets(secretfiles, `${key}.secretfiles`))]
  let present = await load()
  let readAt = performance.now()
  let isFailing = false
  return async (): Promise<readonly Uint8Array[]> => {
    if (performance.now() - readAt > SECRETS_MS) {
      readAt = performance.now()
      try {
        present = await load()
        isFailing = false
      } catch (err) {
        if (!isFailing)
          log.error({ err }, 'secrets of an endpoint are not read any more; the last ones stay in use')
        isFailing = true
      }
    }
    return present
  }
}

async function readSecrets(paths: readonly string[], key: string): Promise<Uint8Array[]> {
  const texts = await Promise.all(paths.map((path) => read(path, key)))
  return texts.flatMap((text) => {
    const lines = text.toString().split('\n')
    const secrets = lines.map((line) => line.trim()).filter(Boolean)
    // Perhaps it is being written. Nothing is sent without a signature then.
    if (secrets.length === 0) throw new Error(`${key}: a file has no secret`)
    return secrets.map((text) => parseSecret(text, key))
  })
}

function parseSecret(text: string, key: string): Uint8Array {
  const secret = parseWebhookSecret(text)
  if (secret === undefined) throw new Error(`${key}: a line is no secret of 24 to 64 bytes in base64`)
  return secret
}

async function read(path: string, key: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new Error(`${key} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
