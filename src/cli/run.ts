import { parseArgs } from 'node:util'
import { UsageError } from './usage-error.ts'
import { WORKER_COMMAND } from './workers/worker-command.ts'

const HELP = `Entrepot, a container registry

  entrepot serve [config.yml]          run the registry
  entrepot config check [config.yml]   say what is wrong with a configuration
  entrepot gc [config.yml]             delete the blobs that no manifest refers to; --help says how
  entrepot why <digest or image>       say what keeps a blob or manifest from being collected
  entrepot verify <repository[:tag]>   read what an image or a repository needs, and compare it with its digests
  entrepot scrub [config.yml]          read all that is stored, and take what is damaged out of service
  entrepot events list [config.yml]    say what notifications wait; --help says what can be done to them
  entrepot retention preview|run       remove the tags that the policies delete; --help says how
  entrepot copy <source> <destination>   copy an image between registries, OCI layouts and archives; also: pull,
                                       push, export, import, ls, manifest, digest, inspect, tag, delete,
                                       referrers, login, logout. --help of each says how
  entrepot repository delete|restore   delete a repository as a whole, or undo a deletion; --help says how
  entrepot usage [config.yml]          say what organisations, repositories and tags take up; --help says how
  entrepot htpasswd <file> <user>      set a password, read from the terminal or standard input
  entrepot robot create <name>         make an account for a machine; --help says how
  entrepot robot list                  say which there are
  entrepot robot revoke <name>         end one
  entrepot auth explain <user> <repository> <action>   say which rule decides
  entrepot --version                   print the version
  entrepot --help                      print this

Without a file the configuration is looked for in REGISTRY_CONFIGURATION_PATH, /etc/entrepot/config.yml,
/etc/distribution/config.yml and /etc/docker/registry/config.yml. Any key can be set in the environment:
REGISTRY_HTTP_ADDR=0.0.0.0:5000 is http.addr.
`

export { exitCodeOf } from './exit-code.ts'
export { UsageError } from './usage-error.ts'

/** Runs the command of a command line.
 *  @throws UsageError; ConfigError; errors that prevent the start */
export async function run(args: readonly string[]): Promise<void> {
  const command = accessCommands.get(args[0] ?? '')
  if (command !== undefined) return command(args.slice(1))
  const { values, positionals } = parse(args)
  if (values.version) return print(`${await (await import('../lib/version.ts')).version()}\n`)
  if (values.help || positionals.length === 0) return print(HELP)
  const [name, ...operands] = positionals
  // Internal: the supervisor starts workers with it. Unknown in other processes.
  if (name === WORKER_COMMAND && (await (await import('./workers/worker.ts')).work())) return
  if (name === 'serve') return (await import('./serve.ts')).serve(atMostOne(operands))
  if (name === 'config' && operands[0] === 'check') {
    return (await import('./config-check.ts')).checkConfig(atMostOne(operands.slice(1)))
  }
  throw new UsageError(`there is no command "${positionals.join(' ')}"`)
}

/** Commands with options of their own. */
const accessCommands = new Map<string, (args: readonly string[]) => Promise<void>>([
  ['htpasswd', async (args) => (await import('./htpasswd.ts')).htpasswd(args)],
  ['robot', async (args) => (await import('./robot.ts')).robot(args)],
  ['gc', async (args) => (await import('./maintenance/gc.ts')).gc(args)],
  ['garbage-collect', async (args) => (await import('./maintenance/gc.ts')).garbageCollect(args)],
  ['why', async (args) => (await import('./maintenance/why.ts')).why(args)],
  ['verify', async (args) => (await import('./maintenance/verify.ts')).verify(args)],
  ['scrub', async (args) => (await import('./maintenance/scrub.ts')).scrub(args)],
  ['retention', async (args) => (await import('./maintenance/retention.ts')).retention(args)],
  ['usage', async (args) => (await import('./maintenance/usage.ts')).usage(args)],
  ['repository', async (args) => (await import('./maintenance/repository.ts')).repository(args)],
  ['events', async (args) => (await import('./events.ts')).events(args)],
  ['copy', async (args) => (await import('./client/copy.ts')).copy(args)],
  ['pull', async (args) => (await import('./client/copy.ts')).pull(args)],
  ['push', async (args) => (await import('./client/copy.ts')).push(args)],
  ['login', async (args) => (await import('./client/login.ts')).login(args)],
  ['logout', async (args) => (await import('./client/login.ts')).logout(args)],
  ['ls', async (args) => (await import('./client/look.ts')).ls(args)],
  ['manifest', async (args) => (await import('./client/look.ts')).manifest(args)],
  ['digest', async (args) => (await import('./client/look.ts')).digest(args)],
  ['inspect', async (args) => (await import('./client/look.ts')).inspect(args)],
  ['tag', async (args) => (await import('./client/change.ts')).tag(args)],
  ['delete', async (args) => (await import('./client/change.ts')).remove(args)],
  ['referrers', async (args) => (await import('./client/change.ts')).referrers(args)],
  ['export', async (args) => (await import('./client/export.ts')).exportImages(args)],
  ['import', async (args) => (await import('./client/export.ts')).importImages(args)],
  ['auth', async (args) => (await import('./auth-explain.ts')).auth(args)],
])

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
    })
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function atMostOne(operands: readonly string[]): string | undefined {
  if (operands.length > 1) throw new UsageError(`one file at most, not ${operands.join(' ')}`)
  return operands[0]
}

function print(text: string): void {
  process.stdout.write(text)
}
