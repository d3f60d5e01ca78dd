import {
  AuthConnections,
  AuthFlow,
  AuthForm,
  AuthPanel,
  AuthStatus,
  AuthTrigger,
  useAuthFlow,
  useConnections,
} from 'authflow/react'
import { useState } from 'react'

const server = { accountId: 'demo', tokenUrl: '/connect-token', endpoint: __ENDPOINT__ }

const item = '<h3 data-part="name"></h3><auth-flow><auth-status></auth-status></auth-flow>'

/** The same by the hook alone, without any element. */
function OwnConnect() {
  const [{ state, connection }, flow] = useAuthFlow({
    ...server,
    integration: 'slack-hook',
    method: 'oauth2',
  })
  return (
    <section>
      <button type="button" onClick={() => flow.start()}>
        Sign in by the hook
      </button>
      <p id="hook">
        {state} {connection?.identity.label}
      </p>
    </section>
  )
}

export function App() {
  const [last, setLast] = useState('')
  const [{ connections }, list] = useConnections({ ...server, integrations: ['slack'] })
  return (
    <>
      <h1>authflow in React</h1>
      <AuthFlow
        integration="slack"
        method="oauth2"
        {...server}
        onAuthStart={() => setLast('started')}
        onAuthSuccess={({ detail }) => {
          setLast(detail.connection.identity.label)
          void list.refresh()
        }}
      >
        <AuthTrigger>
          <button type="button">Sign in with Slack</button>
        </AuthTrigger>
        <AuthPanel>
          <h2>Sign in with Slack</h2>
          <AuthForm className="form" inputClassName="input" />
        </AuthPanel>
        <AuthStatus />
      </AuthFlow>
      <p id="event">{last}</p>
      <p id="connections">{connections.length}</p>
      <OwnConnect />
      <AuthConnections {...server} integrations="slack" itemClassName="item" template={item} />
    </>
  )
}
