import { readFile } from 'node:fs/promises'

/** The version in package.json. */
export async function version(): Promise<string> {
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  return manifest.version
}
