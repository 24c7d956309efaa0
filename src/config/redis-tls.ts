import { readFile } from 'node:fs/promises'
import type { Config } from './schema.ts'

/** The files that `redis.tls` names. Undefined without TLS; any key of the section enables it.
 *  @throws Error that names the key whose file can't be read */
export async function readRedisTls({ tls }: NonNullable<Config['redis']>) {
  const { enabled, certificate, key, rootcas } = tls
  if (!enabled && certificate === '' && key === '' && rootcas.length === 0) return undefined
  return {
    certificate: certificate === '' ? undefined : await read(certificate, 'certificate'),
    key: key === '' ? undefined : await read(key, 'key'),
    rootcas: await Promise.all(rootcas.map((path) => read(path, 'rootcas'))),
  }
}

async function read(path: string, name: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new Error(`redis.tls.${name} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
