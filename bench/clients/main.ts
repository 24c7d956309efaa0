/** `npm run bench -- client`: `entrepot copy` beside `crane copy`, of the same images, on the same registries. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { RegistryClient } from '../client.ts'
import { largeImage } from '../content.ts'
import { UsageError } from '../options.ts'
import { findRegistries } from '../registries.ts'
import { type Server, startServer } from '../servers.ts'

const IMAGES = 20
const LAYERS = 4

export const clientUsage = `npm run bench -- client [options]

  --only <words>    rows whose titles contain one of these words, separated by commas
  --rounds <n>      of every row, the clients in turn (5)
  --kib <n>         size of a layer (1024); every image has ${LAYERS} of its own
  --entrepot <path> the program. Default: the bundle (npm run bundle), or else the source`

interface Client {
  readonly name: string
  readonly program: readonly string[]
  /** Accepts what is not encrypted. */
  readonly plain: string
}

interface Row {
  readonly title: string
  /** Command lines that run one after the other. */
  commands(client: Client, round: string): string[][]
}

interface Cost {
  readonly wallMs: number
  readonly cpuMs: number
}

/** Prints a table.
 *  @throws UsageError */
export async function benchClients(args: string[]): Promise<void> {
  const { values } = parse(args)
  if (values.help) return console.log(clientUsage)
  const [rounds, kib] = [Number(values.rounds), Number(values.kib)]
  const clients = findClients(values.entrepot)
  const [from, to] = [await startRegistry(), await startRegistry()]
  try {
    await fill(from, kib * 1024)
    const words = values.only.split(',')
    const rows = rowsOf(from, to).filter(({ title }) => words.some((word) => title.includes(word)))
    for (const row of rows) await measure(row, { clients, rounds })
  } finally {
    await Promise.all([from.stop(), to.stop()])
  }
}

function parse(args: string[]) {
  const options = {
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '5' },
    kib: { type: 'string', default: '1024' },
    entrepot: { type: 'string' },
    help: { type: 'boolean', default: false },
  } as const
  try {
    return parseArgs({ args, options })
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : `${cause}`)
  }
}

const root = join(import.meta.dirname, '../..')

function findClients(program: string | undefined): Client[] {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const bundle = join(root, 'build', `entrepot-${version}-linux-${process.arch}`, 'lib/app/main.mjs')
  const main = program ?? (existsSync(bundle) ? bundle : join(root, 'src/main.ts'))
  const crane = join(root, '.cache/tools/bin/crane')
  if (!existsSync(crane)) throw new UsageError('crane is not there: test/e2e/install-tools.sh builds it')
  return [
    { name: 'entrepot', program: [process.execPath, main], plain: '--plain-http' },
    { name: 'crane', program: [crane], plain: '--insecure' },
  ]
}

function startRegistry(): Promise<Server> {
  const [registry] = findRegistries(['entrepot'], { dist: false })
  return startServer(registry!, { log: false })
}

async function fill({ port }: Server, layerBytes: number): Promise<void> {
  const client = new RegistryClient(port)
  for (let number = 0; number < IMAGES; number++) {
    const image = largeImage(LAYERS, layerBytes)
    for (const blob of image.blobs) await client.pushBlob('source', blob)
    await client.pushManifest('source', `v${number}`, image.manifest)
  }
  client.close()
}

function rowsOf(from: Server, to: Server): Row[] {
  const source = `127.0.0.1:${from.port}/source`
  const copies = (client: Client, target: string) =>
    Array.from({ length: IMAGES }, (_, number) => [
      ...['copy', client.plain, `${source}:v${number}`, `${target}:v${number}`],
    ])
  const all = (client: Client, target: string) => [['copy', client.plain, '--all-tags', source, target]]
  return [
    {
      title: `${IMAGES} images to another registry, one command`,
      commands: (client, round) => all(client, `127.0.0.1:${to.port}/one/${client.name}/${round}`),
    },
    {
      title: `${IMAGES} images within a registry, one command`,
      commands: (client, round) => all(client, `127.0.0.1:${from.port}/one/${client.name}/${round}`),
    },
    {
      title: `${IMAGES} images to another registry, ${IMAGES} commands`,
      commands: (client, round) => copies(client, `127.0.0.1:${to.port}/many/${client.name}/${round}`),
    },
    {
      title: `${IMAGES} images within a registry, ${IMAGES} commands`,
      commands: (client, round) => copies(client, `127.0.0.1:${from.port}/many/${client.name}/${round}`),
    },
    { title: 'ls', commands: (client) => [['ls', client.plain, source]] },
  ]
}

async function measure(
  row: Row,
  { clients, rounds }: { clients: readonly Client[]; rounds: number },
): Promise<void> {
  const costs = new Map<string, Cost[]>(clients.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const client of clients) {
      const commands = row.commands(client, `r${round}`)
      costs.get(client.name)!.push(await costOf(client, commands))
    }
  }
  console.log(row.title)
  for (const unit of ['wallMs', 'cpuMs'] as const) {
    const [own, other] = clients.map(({ name }) => median(costs.get(name)!.map((cost) => cost[unit])))
    const what = unit === 'wallMs' ? 'time' : 'CPU of the client'
    const values = `entrepot ${own!.toFixed(0)} ms, crane ${other!.toFixed(0)} ms`
    console.log(`  ${what}: ${values}, × ${(other! / own!).toFixed(2)}`)
  }
}

async function costOf({ program, name }: Client, commands: string[][]): Promise<Cost> {
  const cpuBefore = cpuOfChildren()
  const startedAt = performance.now()
  for (const command of commands) {
    const [executable, ...args] = [...program, ...command]
    const child = spawn(executable!, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    child.stderr.on('data', (chunk) => (errors += chunk))
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code !== 0) throw new Error(`${name} ${command.join(' ')}: ${errors}`)
  }
  return { wallMs: performance.now() - startedAt, cpuMs: cpuOfChildren() - cpuBefore }
}

/** Of the children that have ended, in units of 10 ms. Linux only. */
function cpuOfChildren(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}

function median(values: number[]): number {
  return values.sort((one, other) => one - other)[Math.floor(values.length / 2)]!
}
