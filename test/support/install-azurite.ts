/** Installs Azurite into `.cache/azurite`, unless it is there. It is a third of what `npm ci` would install otherwise, and only
 *  the suites that store in Azure need it: their scripts run this first. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const project = join(import.meta.dirname, '../..')
const described = join(import.meta.dirname, 'azurite')
const installed = join(project, '.cache/azurite')
/** Names the versions that are installed. */
const stamp = join(installed, 'installed.json')

const lock = readFileSync(join(described, 'package-lock.json'), 'utf8')
if (installedLock() !== lock) {
  mkdirSync(installed, { recursive: true })
  for (const file of ['package.json', 'package-lock.json', '.npmrc'])
    copyFileSync(join(file === '.npmrc' ? project : described, file), join(installed, file))
  execFileSync('npm', ['ci', '--ignore-scripts'], { cwd: installed, stdio: ['ignore', 'ignore', 'inherit'] })
  writeFileSync(stamp, lock)
}

function installedLock(): string | undefined {
  try {
    return readFileSync(stamp, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}
