import { useState } from 'preact/hooks'
import { HOST } from '../../api/http.ts'
import { deleteKey, type Key, listKeys } from '../../api/keys.ts'
import { Dialog } from '../../components/dialog.tsx'
import { Facts } from '../../components/facts.tsx'
import { Empty, Loaded, LogInLink } from '../../components/states.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Ago } from '../../components/time.tsx'
import { useLoad } from '../../components/use-load.ts'
import { useTitle } from '../../components/use-title.ts'
import { person, say } from '../../state.ts'
import { NewKeyForm } from './new-key.tsx'

/** Who has logged in, and the person's keys for the command line. */
export function Account() {
  useTitle('Robots and keys')
  const self = person.value
  if (self === undefined || self.kind === 'anonymous') {
    return (
      <Empty isView title="Please log in to see your keys">
        <LogInLink />
      </Empty>
    )
  }
  return (
    <>
      <div class="view-head">
        <h1>Robots and keys</h1>
      </div>
      <Facts
        facts={[
          ['User', self.name],
          ['Groups', self.groups.join(', ')],
          ['Logged in until', self.session && <Ago time={self.session.expiresAt} />],
        ]}
      />
      {self.keys ? (
        <Keys />
      ) : (
        <Empty title="Keys are switched off">
          Set <code>auth.keys</code> to let people make keys.
        </Empty>
      )}
      <section class="section" aria-label="Robots">
        <h2>Robots</h2>
        <p class="muted">
          Robots are made by the operator, with <code>entrepot robot create</code>.
        </p>
      </section>
    </>
  )
}

function Keys() {
  const loading = useLoad(listKeys, 'keys')
  const [isMaking, setMaking] = useState(false)
  return (
    <section class="section" aria-label="Keys">
      <div class="section-head">
        <h2>Keys</h2>
        <button type="button" class="primary" onClick={() => setMaking(true)}>
          New key
        </button>
      </div>
      <p class="muted">
        A key is a password for the command line:{' '}
        <code>
          docker login {HOST} -u {person.value?.name}
        </code>
      </p>
      <Loaded loading={loading}>
        {(keys) =>
          keys.length === 0 ? (
            <Empty title="You have no keys" />
          ) : (
            <Table
              caption="Your keys"
              columns={columnsFor(loading.reload)}
              rows={keys}
              keyOf={({ id }) => id}
            />
          )
        }
      </Loaded>
      {isMaking && (
        <Dialog title="New key" onClose={() => setMaking(false)}>
          <NewKeyForm onMade={loading.reload} />
        </Dialog>
      )}
    </section>
  )
}

function columnsFor(onChange: () => void): readonly Column<Key>[] {
  return [
    { key: 'name', title: 'Name', cell: ({ name }) => <span class="name">{name}</span> },
    {
      key: 'repositories',
      title: 'Repositories',
      isWide: true,
      cell: ({ repositories }) => <code>{repositories.join(', ')}</code>,
    },
    {
      key: 'actions',
      title: 'May',
      isWide: true,
      cell: ({ actions }) => (actions.includes('*') ? 'what I may' : actions.join(', ')),
    },
    {
      key: 'created',
      title: 'Made',
      isNumeric: true,
      isWide: true,
      cell: ({ createdAt }) => <Ago time={createdAt} />,
    },
    {
      key: 'used',
      title: 'Last used',
      isNumeric: true,
      cell: ({ lastUsedAt }) => (lastUsedAt === null ? 'never' : <Ago time={lastUsedAt} />),
    },
    { key: 'expires', title: 'Expires', isNumeric: true, cell: ({ expiresAt }) => <Ago time={expiresAt} /> },
    {
      key: 'revoke',
      title: 'Revoke',
      isNumeric: true,
      cell: ({ id, name }) => (
        <button
          type="button"
          class="danger"
          aria-label={`Revoke ${name}`}
          onClick={() => revoke(id, name).then(onChange)}
        >
          Revoke
        </button>
      ),
    },
  ]
}

async function revoke(id: string, name: string): Promise<void> {
  try {
    await deleteKey(id)
    say(`Revoked ${name}`)
  } catch (error) {
    say((error as Error).message, { isError: true })
  }
}
