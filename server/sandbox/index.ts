// Entry of `authflow/testing`: stand-in providers to develop and test against.

export { startSandbox } from './sandbox.ts'
export type { Sandbox, SandboxOptions, SandboxProvider } from './sandbox.ts'
export type { StandIn } from './stand-in.ts'
export type { Fault, Faults } from './http.ts'
export type { Person } from './consent-page.ts'
export type { SandboxMessage, SandboxSlack } from './slack.ts'
export type { SandboxSlackEvent, SlackSubscription } from './slack-events.ts'
export type { SandboxComment, SandboxGithub, SandboxHook, SandboxIssue } from './github.ts'
export type { SandboxDelivery } from './deliver.ts'
export type { SandboxAirtable, SandboxRecord } from './airtable.ts'
export type { SandboxProduct, SandboxShopify } from './shopify.ts'
