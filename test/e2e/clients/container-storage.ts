import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../support/tools.ts'

export interface ContainerStorage {
  run(...args: string[]): Promise<string>
}

interface StorageOptions {
  /** `vfs` works everywhere; partial pulls need `overlay`. */
  readonly driver: 'vfs' | 'overlay'
  readonly folder: string
  /** Further variables. */
  readonly environment?: Readonly<Record<string, string>>
}

/** podman or buildah with images and containers of its own, so that nothing of the machine's is seen or touched. */
export async function containerStorage(
  tool: string,
  { driver, folder, environment: further }: StorageOptions,
): Promise<ContainerStorage> {
  const path = join(folder, 'storage.conf')
  await writeFile(path, storageConf(driver, folder))
  const environment = { CONTAINERS_STORAGE_CONF: path, BUILDAH_ISOLATION: 'chroot', ...further }
  return { run: (...args) => run(tool, args, { environment, workingFolder: folder }) }
}

function storageConf(driver: string, folder: string): string {
  return [
    '[storage]',
    `driver = "${driver}"`,
    `graphroot = "${join(folder, 'images')}"`,
    `runroot = "${join(folder, 'run')}"`,
    '[storage.options]',
    'pull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}',
    '',
  ].join('\n')
}
