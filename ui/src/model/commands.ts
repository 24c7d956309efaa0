/** Commands that fetch or look at an image. */
import { HOST } from '../api/http.ts'
import type { Kind } from './kind.ts'
import { formatReference, type Reference } from './reference.ts'

export interface Command {
  readonly tool: string
  readonly text: string
}

/** The commands for a kind of artifact, the most usual one first. References contain no character that a
 *  shell would interpret. */
export function commandsFor(reference: Reference, kind: Kind): readonly Command[] {
  const full = `${HOST}/${formatReference(reference)}`
  const docker = { tool: 'docker', text: `docker pull ${full}` }
  const podman = { tool: 'podman', text: `podman pull ${full}` }
  const skopeo = { tool: 'skopeo', text: `skopeo inspect docker://${full}` }
  const oras = { tool: 'oras', text: `oras pull ${full}` }
  switch (kind) {
    case 'image':
    case 'index':
      return [docker, podman, skopeo, { tool: 'oras', text: `oras copy ${full} --to-oci-layout image` }]
    case 'chart':
      return [{ tool: 'helm', text: helmCommand(reference) }, oras, skopeo]
    case 'model':
      return [oras, { tool: 'docker', text: `docker model pull ${full}` }, skopeo]
    default:
      return [oras, skopeo]
  }
}

/** Helm writes `+` of a version as `_` in tags. */
function helmCommand({ repository, tag, digest }: Reference): string {
  const chart = `helm pull oci://${HOST}/${repository}`
  if (digest !== undefined) return `${chart}@${digest}`
  return tag === undefined ? chart : `${chart} --version ${tag.replaceAll('_', '+')}`
}

/** The first command: what the key `c` copies. */
export function pullCommand(reference: Reference, kind: Kind): string {
  return (commandsFor(reference, kind)[0] as Command).text
}
