import 'authflow/define'
import { ChangeDetectionStrategy, Component, signal } from '@angular/core'
import type { AuthFlowEvents } from 'authflow/ui'
import { authElements } from './auth-elements.ts'

@Component({
  selector: '#app',
  imports: [authElements],
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <h1>authflow in Angular</h1>
    <auth-flow
      integration="slack"
      method="oauth2"
      account-id="demo"
      token-url="/connect-token"
      [endpoint]="endpoint"
      (auth-start)="last.set('started')"
      (auth-success)="handleSuccess($event)"
    >
      <auth-trigger><button type="button">Sign in with Slack</button></auth-trigger>
      <auth-panel hidden>
        <h2>Sign in with Slack</h2>
        <auth-form class="form" input-class="input"></auth-form>
      </auth-panel>
      <auth-status></auth-status>
    </auth-flow>
    <p id="event">{{ last() }}</p>
  `,
})
export class App {
  readonly endpoint = __ENDPOINT__
  readonly last = signal('')

  handleSuccess({ detail }: AuthFlowEvents['auth-success']) {
    this.last.set(detail.connection.identity.label)
  }
}
