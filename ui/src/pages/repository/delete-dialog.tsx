import { useState } from 'preact/hooks'
import { restoreTags } from '../../api/history.ts'
import { mapSome } from '../../api/http.ts'
import { deleteManifest } from '../../api/registry.ts'
import { Dialog } from '../../components/dialog.tsx'
import { plural } from '../../model/format.ts'
import { say } from '../../state.ts'

const SHOWN = 8

/** Asks before tags are deleted, deletes them, and offers to undo it where the registry can. */
export function DeleteDialog({
  repository,
  tags,
  canUndo,
  onClose,
  onChange,
}: {
  repository: string
  tags: readonly { readonly tag: string; readonly digest: string }[]
  canUndo: boolean
  onClose: () => void
  /** Called when tags were deleted or restored. */
  onChange: () => void
}) {
  const [isRunning, setRunning] = useState(false)
  const run = async () => {
    setRunning(true)
    const results = await mapSome(tags, 4, async ({ tag }) => {
      try {
        await deleteManifest(repository, tag)
        return undefined
      } catch (error) {
        return `${tag}: ${(error as Error).message}`
      }
    })
    onClose()
    onChange()
    report(results)
  }
  const report = (results: readonly (string | undefined)[]) => {
    const gone = tags.filter((_, index) => results[index] === undefined)
    const failures = results.filter((result) => result !== undefined)
    if (failures.length > 0) say(`Not deleted: ${failures.join('; ')}`, { isError: true })
    if (gone.length === 0) return
    const undo = async () => {
      try {
        say(`Restored ${plural(await restoreTags(repository, gone), 'tag')}`)
      } catch (error) {
        say(`Not restored: ${(error as Error).message}`, { isError: true })
      }
      onChange()
    }
    const what = gone.length === 1 ? `Deleted ${gone[0]?.tag}` : `Deleted ${plural(gone.length, 'tag')}`
    say(what, canUndo ? { action: { label: 'Undo', run: undo } } : {})
  }
  return (
    <Dialog
      title={tags.length === 1 ? 'Delete this tag?' : `Delete ${plural(tags.length, 'tag')}?`}
      onClose={onClose}
    >
      <ul class="names">
        {tags.slice(0, SHOWN).map(({ tag }) => (
          <li key={tag}>
            <code>
              {repository}:{tag}
            </code>
          </li>
        ))}
        {tags.length > SHOWN && <li class="muted">and {plural(tags.length - SHOWN, 'more', 'more')}</li>}
      </ul>
      <p class="muted">
        {canUndo
          ? 'They can be restored for some time, from Deleted.'
          : 'This cannot be undone here. The images stay available by digest until garbage collection removes them.'}
      </p>
      <div class="actions">
        <button type="button" onClick={onClose} disabled={isRunning}>
          Cancel
        </button>
        <button type="button" class="danger" onClick={run} disabled={isRunning}>
          {isRunning ? 'Deleting…' : 'Delete'}
        </button>
      </div>
    </Dialog>
  )
}
