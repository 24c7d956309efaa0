import { useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { deleteRepository, restore } from '../../api/history.ts'
import { PAGE } from '../../api/http.ts'
import { Dialog } from '../../components/dialog.tsx'
import { pathToReference } from '../../model/reference.ts'
import { say } from '../../state.ts'

/** Deletes a repository as a whole, once its name was typed, and offers to undo it. */
export function DeleteRepository({ name }: { name: string }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <section class="section" aria-label="Delete the repository">
      <button type="button" class="danger" onClick={() => setOpen(true)}>
        Delete repository
      </button>
      {isOpen && <Confirmation name={name} onClose={() => setOpen(false)} />}
    </section>
  )
}

function Confirmation({ name, onClose }: { name: string; onClose: () => void }) {
  const { route } = useLocation()
  const [typed, setTyped] = useState('')
  const [isRunning, setRunning] = useState(false)
  const run = async (event: SubmitEvent) => {
    event.preventDefault()
    setRunning(true)
    try {
      const id = await deleteRepository(name)
      const undo = () => restoreRepository(name, id).then(() => route(pathToReference({ repository: name })))
      say(`Deleted ${name}`, { action: { label: 'Undo', run: undo } })
      onClose()
      route(PAGE)
    } catch (error) {
      say(`Not deleted: ${(error as Error).message}`, { isError: true })
      onClose()
    }
  }
  return (
    <Dialog title="Delete this repository?" onClose={onClose}>
      <form class="form" onSubmit={run}>
        <p class="muted">All its tags and manifests are deleted. They can be restored for some time.</p>
        <label>
          Type {name} to confirm
          <input
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          />
        </label>
        <div class="actions">
          <button type="button" onClick={onClose} disabled={isRunning}>
            Cancel
          </button>
          <button type="submit" class="danger" disabled={isRunning || typed !== name}>
            {isRunning ? 'Deleting…' : 'Delete all of it'}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

async function restoreRepository(name: string, id: string): Promise<void> {
  try {
    await restore(name, id)
    say(`Restored ${name}`)
  } catch (error) {
    say(`Not restored: ${(error as Error).message}`, { isError: true })
  }
}
