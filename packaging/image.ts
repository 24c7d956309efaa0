/** `npm run image [-- amd64 arm64]`: an OCI image for each processor, as an image layout in `build/image`.
 *
 *  It holds Node.js as npm has it, the four libraries of Debian that Node needs, and the bundle: no shell, no package manager.
 *  It is made with buildah, on Debian, without a daemon. */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  devDependencies,
  download,
  license,
  makeBundle,
  name,
  type Processor,
  root,
  version,
} from './bundle.ts'

/** As image indexes call it, and Debian. */
type Architecture = 'amd64' | 'arm64'

const processors: Readonly<Record<Architecture, Processor>> = { amd64: 'x64', arm64: 'arm64' }
/** Of Debian, which the libraries are from. */
const RELEASE = 'bookworm'
const LIBRARIES = ['libc6', 'libatomic1', 'libgcc-s1', 'libstdc++6', 'gcc-12-base']
/** Nobody in particular, as in other images without a root user. */
const USER = 65532

const wanted = process.argv.slice(2)
const architectures = (wanted.length === 0 ? Object.keys(processors) : wanted) as Architecture[]
const unknown = architectures.filter((each) => !(each in processors))
if (unknown.length > 0) throw new Error(`${unknown}: not one of ${Object.keys(processors)}`)

const work = mkdtempSync(join(tmpdir(), 'entrepot-image-'))
try {
  const layout = join(root, 'build', 'image')
  rmSync(layout, { recursive: true, force: true })
  const list = `${name}:${version}`
  buildah(['manifest', 'create', list])
  for (const architecture of architectures)
    buildah(['manifest', 'add', list, commit(await rootFolder(architecture), architecture)])
  buildah(['manifest', 'push', '--all', '--format', 'oci', list, `oci:${layout}:${version}`])
  console.log(layout)
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** Everything that the image has, in a folder. */
async function rootFolder(architecture: Architecture): Promise<string> {
  const folder = join(work, architecture)
  const at = (path: string) => join(folder, path)
  mkdirSync(folder)
  for (const archive of debianPackages(architecture)) execFileSync('dpkg-deb', ['--extract', archive, folder])
  const unneeded = [
    'usr/share/lintian',
    'usr/share/gcc',
    'usr/share/gdb',
    'usr/lib/locale',
    'etc/ld.so.conf.d',
  ]
  for (const path of unneeded) rmSync(at(path), { recursive: true, force: true })
  mkdirSync(at('usr/local/bin'), { recursive: true })
  const node = download(`node-linux-${processors[architecture]}@${devDependencies.node}`)
  cpSync(join(node, 'bin/node'), at('usr/local/bin/node'))
  cpSync(join(node, 'LICENSE'), at('usr/share/doc/nodejs/LICENSE'))
  cpSync(await makeBundle(processors[architecture]), at('opt/entrepot'), { recursive: true })
  writeUsers(folder)
  mkdirSync(at('etc/entrepot'), { recursive: true })
  cpSync(join(root, 'deploy/image/config.yml'), at('etc/entrepot/config.yml'))
  mkdirSync(at('tmp'))
  chmodSync(at('tmp'), 0o1777)
  return folder
}

function writeUsers(folder: string): void {
  mkdirSync(join(folder, 'etc'), { recursive: true })
  const users = [
    'root:x:0:0:root:/root:/sbin/nologin',
    `entrepot:x:${USER}:${USER}::/var/lib/registry:/sbin/nologin`,
  ]
  writeFileSync(join(folder, 'etc/passwd'), `${users.join('\n')}\n`)
  writeFileSync(join(folder, 'etc/group'), `root:x:0:\nentrepot:x:${USER}:\n`)
}

/** The URL of Debian's archive, or of the mirror of it that this machine uses. */
function debianArchive(): string {
  const asked = ['Created-By: Packages', 'Origin: Debian', 'Component: main']
  const list = () =>
    execFileSync('apt-get', ['indextargets', '--format', '$(CODENAME) $(REPO_URI)', ...asked], {
      encoding: 'utf8',
    })
  let targets = list()
  if (targets === '') {
    // Only what was updated once is known to be Debian's.
    execFileSync('apt-get', ['-qq', 'update'])
    targets = list()
  }
  // Not those of updates, such as bookworm-security.
  const archive = /^[a-z]+ (\S+)$/m.exec(targets)?.[1]
  if (archive === undefined)
    throw new Error("apt-get has no source of Debian's packages: the image is made on Debian")
  return archive
}

/** Downloads libraries for a processor that need not be this machine's, with lists of packages apart from the machine's own. */
function debianPackages(architecture: Architecture): string[] {
  const folder = join(work, `debian-${architecture}`)
  for (const path of ['lists/partial', 'cache/archives/partial', 'packages'])
    mkdirSync(join(folder, path), { recursive: true })
  writeFileSync(join(folder, 'status'), '')
  writeFileSync(
    join(folder, 'sources.list'),
    `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${debianArchive()} ${RELEASE} main\n`,
  )
  const options = {
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': 'root',
    'Dir::State': folder,
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Acquire::Languages': 'none',
  }
  const apt = (...args: string[]) =>
    execFileSync(
      'apt-get',
      [...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]), ...args],
      {
        cwd: join(folder, 'packages'),
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
  apt('-qq', 'update')
  apt('-qq', 'download', ...LIBRARIES)
  return readdirSync(join(folder, 'packages')).map((file) => join(folder, 'packages', file))
}

/** Makes the folder an image and returns its id. */
function commit(folder: string, architecture: Architecture): string {
  const container = buildah(['from', '--arch', architecture, 'scratch'])
  buildah(['copy', container, folder, '/'])
  const data = join(work, `data-${architecture}`)
  mkdirSync(data)
  buildah(['copy', '--chown', `${USER}:${USER}`, container, data, '/var/lib/registry'])
  const labels = {
    'org.opencontainers.image.title': 'Entrepot',
    'org.opencontainers.image.description': 'A container registry',
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': license,
  }
  buildah([
    'config',
    ...['--arch', architecture, '--os', 'linux'],
    ...['--user', `${USER}:${USER}`, '--port', '5000', '--volume', '/var/lib/registry'],
    ...['--workingdir', '/var/lib/registry', '--env', 'PATH=/usr/local/bin'],
    ...['--entrypoint', JSON.stringify(['/usr/local/bin/node', '/opt/entrepot/lib/app/main.mjs'])],
    ...['--cmd', 'serve /etc/entrepot/config.yml', '--stop-signal', 'SIGTERM'],
    ...Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
    container,
  ])
  return buildah(['commit', '--rm', '--format', 'oci', '--timestamp', '0', container])
}

/** With its images in a folder of their own, in files that no kernel need help with. */
function buildah(args: string[]): string {
  const storage = ['--root', join(work, 'storage'), '--runroot', join(work, 'run'), '--storage-driver', 'vfs']
  return execFileSync('buildah', [...storage, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim()
}
