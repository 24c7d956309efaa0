import type { Registry } from '../core/registry.ts'
import type { Step } from './runner.ts'

/** Uploads that nobody has written to for some time. An upload that is slow but alive is left alone, however long ago
 *  it was started. */
export async function* abandonedUploads(
  registry: Registry,
  { ageMs, now = Date.now() }: { ageMs: number; now?: number },
): AsyncIterable<Step> {
  for await (const upload of registry.uploads()) {
    if (now - upload.lastWrittenAt.getTime() < ageMs) continue
    yield {
      intent: {
        action: 'purge upload',
        repository: upload.repository,
        upload: upload.id,
        startedAt: upload.startedAt.toISOString(),
        bytes: upload.size,
      },
      run: () => upload.cancel(),
    }
  }
}
