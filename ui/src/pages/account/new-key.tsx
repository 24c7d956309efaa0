import { useState } from 'preact/hooks'
import { createKey } from '../../api/keys.ts'
import { CopyButton } from '../../components/copy.tsx'

const ACTIONS: readonly (readonly [string, string])[] = [
  ['*', 'do what I may'],
  ['pull', 'pull'],
  ['pull push', 'pull and push'],
]

/** Makes a key, and shows its secret once. */
export function NewKeyForm({ onMade }: { onMade: () => void }) {
  const [secret, setSecret] = useState<string>()
  const [problem, setProblem] = useState('')
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const text = (name: string) => String(form.get(name) ?? '').trim()
    try {
      setSecret(
        await createKey({
          name: text('name'),
          days: Number(text('days')),
          repositories: (text('repositories') || '**').split(/[\s,]+/),
          actions: text('actions').split(' '),
        }),
      )
      onMade()
    } catch (error) {
      setProblem((error as Error).message)
    }
  }
  if (secret !== undefined) return <Secret secret={secret} />
  return (
    <form class="form" onSubmit={submit}>
      <label>
        Name
        <input name="name" required maxLength={64} placeholder="laptop" autocomplete="off" />
      </label>
      <label>
        Repositories
        <input name="repositories" placeholder="**" autocomplete="off" spellcheck={false} />
      </label>
      <label>
        May
        <select name="actions">
          {ACTIONS.map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <label>
        Days until it expires
        <input name="days" type="number" min={1} max={365} required defaultValue="90" />
      </label>
      {problem !== '' && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
      <div class="actions">
        <button type="submit" class="primary">
          Make the key
        </button>
      </div>
    </form>
  )
}

function Secret({ secret }: { secret: string }) {
  return (
    <div role="status">
      <p>Copy the key now. It is not shown again.</p>
      <ul class="commands">
        <li>
          <code>{secret}</code>
          <CopyButton text={secret} label="the key" isSecret />
        </li>
      </ul>
    </div>
  )
}
