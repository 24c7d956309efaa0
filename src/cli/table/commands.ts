import type { Command } from './command.ts'

const client = {
  copy: () => import('../client/copy.ts'),
  look: () => import('../client/look.ts'),
  change: () => import('../client/change.ts'),
  carry: () => import('../client/export.ts'),
  login: () => import('../client/login.ts'),
}

const CLIENT_TITLE = 'Images, at any registry'

/** The one table of commands: what runs them, and what help and completion say of them. */
const GROUPS: ReadonlyArray<{ readonly title: string; readonly commands: readonly Command[] }> = [
  {
    title: 'The registry',
    commands: [
      row('serve [config.yml]', 'run the registry', async () => (await import('../serve.ts')).command),
      row(
        'config check [config.yml]',
        'say what is wrong with a configuration',
        async () => (await import('../config-check.ts')).command,
      ),
      row(
        'gc [config.yml]',
        'delete the blobs that no manifest refers to',
        async () => (await import('../maintenance/gc.ts')).gcCommand,
      ),
      row(
        'garbage-collect config.yml',
        'gc in the words of CNCF Distribution',
        async () => (await import('../maintenance/gc.ts')).garbageCollectCommand,
      ),
      row(
        'why <digest or image>',
        'say what keeps a blob or manifest from being collected',
        async () => (await import('../maintenance/why.ts')).command,
      ),
      row(
        'verify <repository[:tag]>',
        'read what an image or a repository needs',
        async () => (await import('../maintenance/verify.ts')).command,
      ),
      row(
        'scrub [config.yml]',
        'read all that is stored, and take what is damaged out of service',
        async () => (await import('../maintenance/scrub.ts')).command,
      ),
      row(
        'usage [config.yml]',
        'say what organisations, repositories and tags take up',
        async () => (await import('../maintenance/usage.ts')).command,
      ),
      row(
        'repository delete|restore',
        'delete a repository as a whole, or undo a deletion',
        async () => (await import('../maintenance/repository.ts')).command,
      ),
      row(
        'retention preview|run',
        'remove the tags that the policies delete',
        async () => (await import('../maintenance/retention.ts')).command,
      ),
      row(
        'events list|show|replay|drop',
        'what notifications wait, and what can be done to them',
        async () => (await import('../events.ts')).command,
      ),
    ],
  },
  {
    title: 'Accounts',
    commands: [
      row('htpasswd <file> <user>', 'set a password', async () => (await import('../htpasswd.ts')).command),
      row(
        'robot create|list|revoke',
        'accounts for machines',
        async () => (await import('../robot.ts')).command,
      ),
      row(
        'auth explain <user> <repository> <action>',
        'say which rule decides',
        async () => (await import('../auth-explain.ts')).command,
      ),
    ],
  },
  {
    title: CLIENT_TITLE,
    commands: [
      row(
        'copy <source> <destination>',
        'copy images between registries, layouts and archives',
        async () => (await client.copy()).copyCommand,
      ),
      row(
        'pull <image> <path>',
        'pull an image into an archive or a layout',
        async () => (await client.copy()).pullCommand,
      ),
      row(
        'push <path> <image>',
        'push an image from an archive or a layout',
        async () => (await client.copy()).pushCommand,
      ),
      row(
        'export <image>... <layout>',
        'write images under their full names into a layout',
        async () => (await client.carry()).exportCommand,
      ),
      row(
        'import <layout> <registry>',
        'push all images of such a layout',
        async () => (await client.carry()).importCommand,
      ),
      row(
        'ls <repository or registry>',
        'list tags, or repositories',
        async () => (await client.look()).lsCommand,
      ),
      row('digest <image>', 'print the digest of an image', async () => (await client.look()).digestCommand),
      row(
        'manifest <image>',
        'print the manifest of an image',
        async () => (await client.look()).manifestCommand,
      ),
      row('inspect <image>', 'print what an image is', async () => (await client.look()).inspectCommand),
      row(
        'referrers <image>',
        'list what refers to an image',
        async () => (await client.change()).referrersCommand,
      ),
      row('tag <image> <tag>', 'give an image another tag', async () => (await client.change()).tagCommand),
      row('delete <image>...', 'delete tags or manifests', async () => (await client.change()).deleteCommand),
      row('login [registry]', 'check and store a login', async () => (await client.login()).loginCommand),
      row('logout [registry]', 'remove a stored login', async () => (await client.login()).logoutCommand),
    ],
  },
  {
    title: 'This program',
    commands: [
      row('completion bash|zsh|fish', 'print a script that completes commands', async () =>
        (await import('./completion.ts')).completionCommand(COMMANDS),
      ),
      row('help [command]', 'print this, or how a command is used', async () =>
        (await import('./help.ts')).helpCommand(COMMANDS, overview()),
      ),
    ],
  },
]

export const COMMANDS: readonly Command[] = GROUPS.flatMap(({ commands }) => commands)

/** Names of the commands that speak to registries, and need nothing of this program's own registry. */
export const CLIENT_COMMANDS: readonly string[] = GROUPS.flatMap(({ title, commands }) =>
  title === CLIENT_TITLE ? commands.map(({ name }) => name) : [],
)

export function findCommand(name: string | undefined): Command | undefined {
  return COMMANDS.find((command) => command.name === name)
}

/** The output of `entrepot --help`. */
export function overview(): string {
  const width = Math.max(...COMMANDS.map(({ usage }) => usage.length))
  const sections = GROUPS.map(({ title, commands }) => {
    const lines = commands.map(({ usage, summary }) => `  entrepot ${usage.padEnd(width)}  ${summary}`)
    return `${title}\n${lines.join('\n')}\n`
  })
  const flags = [
    ['--version', 'print the version'],
    ['--help', 'print this; after a command, how it is used'],
  ].map(([flag = '', text]) => `  entrepot ${flag.padEnd(width)}  ${text}\n`)
  return `Entrepot, a container registry\n\n${sections.join('\n')}${flags.join('')}${NOTES}`
}

const NOTES = `
Without a file the configuration is looked for in REGISTRY_CONFIGURATION_PATH, /etc/entrepot/config.yml,
/etc/distribution/config.yml and /etc/docker/registry/config.yml. Any key can be set in the environment:
REGISTRY_HTTP_ADDR=0.0.0.0:5000 is http.addr.
`

function row(usage: string, summary: string, load: Command['load']): Command {
  const [name = ''] = usage.split(' ', 1)
  return { name, usage, summary, load }
}
