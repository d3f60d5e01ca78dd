import 'authflow/define'
import { createSignal } from 'solid-js'

export function App() {
  const [last, setLast] = createSignal('')
  return (
    <>
      <h1>authflow in Solid</h1>
      <auth-flow
        integration="slack"
        method="oauth2"
        account-id="demo"
        token-url="/connect-token"
        endpoint={__ENDPOINT__}
        on:auth-start={() => setLast('started')}
        on:auth-success={({ detail }) => setLast(detail.connection.identity.label)}
      >
        <auth-trigger>
          <button type="button">Sign in with Slack</button>
        </auth-trigger>
        <auth-panel hidden>
          <h2>Sign in with Slack</h2>
          <auth-form class="form" input-class="input" />
        </auth-panel>
        <auth-status />
      </auth-flow>
      <p id="event">{last()}</p>
    </>
  )
}
