import { sha256 } from '../../support/oci-image.ts'
import type { Game } from './game.ts'
import type { RepositoryState } from './orders.ts'

/** What a tag is taken to name that is listed, and leads nowhere. */
const NOTHING = 'nothing'

/** What one process says of a repository; undefined when it was killed meanwhile.
 *  @param looked the names of the content to look for
 *  @param at number of the process. Default: any */
export async function readState(
  game: Game,
  {
    repository,
    looked,
    at = game.pick(),
  }: { repository: string; looked: ReadonlySet<string>; at?: number | undefined },
): Promise<RepositoryState | undefined> {
  const list = await game.send(`GET /v2/${repository}/tags/list`, {}, at)
  if (list?.status !== 200) return undefined
  const { tags: names } = JSON.parse(list.body.toString()) as { tags: string[] }
  const tags = new Map<string, string>()
  for (const name of names) {
    const digest = await read(game, `/v2/${repository}/manifests/${name}`, at)
    if (digest === undefined) return undefined
    tags.set(name, `manifests/${digest}`)
  }
  const contents = new Set<string>()
  for (const name of looked) {
    const found = await read(game, `/v2/${repository}/${name}`, at)
    if (found === undefined) return undefined
    if (name.endsWith(found)) contents.add(name)
    else if (found !== NOTHING) game.report(`process ${at} serves ${found} as ${name} of ${repository}`)
  }
  return { contents, tags }
}

/** The digest of its bytes. */
async function read(game: Game, path: string, at: number): Promise<string | undefined> {
  const answer = await game.send(`GET ${path}`, {}, at)
  if (answer?.status === 404) return NOTHING
  return answer?.status === 200 ? sha256(answer.body) : undefined
}
