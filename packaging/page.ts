/** Runs before `npm start`: builds the web page if it is missing, or older than its source. Whatever happens, the
 *  registry starts afterwards. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const source = fileURLToPath(new URL('../ui', import.meta.url))
const built = fileURLToPath(new URL('../dist/ui', import.meta.url))

try {
  if (!(await isCurrent())) await buildPage()
} catch (error) {
  console.error(String((error as Error)?.message ?? error))
  console.error('The web page could not be built. The registry starts without it.')
}

async function buildPage(): Promise<void> {
  console.error('Building the web page …')
  const start = performance.now()
  // The development tools are not there after `npm ci --omit=dev`.
  const { build } = await import('vite')
  await build({ root: source })
  console.error(`Built the web page in ${((performance.now() - start) / 1000).toFixed(1)} s.`)
}

async function isCurrent(): Promise<boolean> {
  const page = await stat(join(built, 'index.html')).catch(() => undefined)
  return page !== undefined && page.mtimeMs >= (await newest(source))
}

/** When a file of the folder was last changed, in milliseconds since 1970. */
async function newest(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const times = entries.map(async (entry) => (await stat(join(entry.parentPath, entry.name))).mtimeMs)
  return Math.max(...(await Promise.all(times)))
}
