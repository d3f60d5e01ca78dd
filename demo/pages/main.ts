// The demo's page script: sets the elements up, and shows what jobs did below each service. A product needs the first
// half only.

import { html, nothing, render, type TemplateResult } from 'lit'
import { configureAuthFlow } from 'authflow/ui'
import 'authflow/define'
import type { ActivityReport, Arrival } from '../activity.ts'
import type { RunSummary, RunState } from '../../shared/flow.ts'
import { actionsOf, isServiceName, type ServiceName } from './actions.ts'

const busyPollMs = 700
const idlePollMs = 4000
const openStates: readonly RunState[] = ['queued', 'running', 'waiting']

async function readJson<T>(path: string): Promise<T> {
  const response = await fetch(path)
  if (!response.ok) throw new Error(`${path} answered ${response.status}`)
  return response.json()
}

configureAuthFlow({ endpoint: location.origin })

let timer: ReturnType<typeof setTimeout> | undefined
const notice = document.createElement('p')
notice.className = 'activity-notice'
notice.role = 'status'
document.body.append(notice)

async function refresh(): Promise<void> {
  clearTimeout(timer)
  let busy = false
  let text = ''
  try {
    const report = await readJson<ActivityReport>('/demo/activity')
    for (const place of document.querySelectorAll<HTMLElement>('[data-activity]')) {
      const service = place.dataset['activity'] ?? ''
      if (isServiceName(service)) render(activityOf(service, report), place)
    }
    busy = report.runs.some((run) => openStates.includes(run.state))
  } catch {
    // The server is restarting, perhaps because somebody killed it to see what happens: keep asking.
    busy = true
    text = 'The server does not answer. This page goes on asking.'
  }
  if (notice.textContent !== text) notice.textContent = text
  timer = setTimeout(() => void refresh(), busy ? busyPollMs : document.hidden ? idlePollMs * 4 : idlePollMs)
}

async function send(kind: string): Promise<void> {
  const sent = fetch('/demo/events', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind }),
  })
  // Where nothing answers, the page says so by itself.
  await sent.catch(() => undefined)
  await refresh()
}

function activityOf(service: ServiceName, report: ActivityReport): TemplateResult {
  const runs = report.runs.filter((run) => run.job.startsWith(service)).slice(0, 3)
  const arrived = report.arrived[service] ?? []
  const viewer = report.viewers[service]
  const { actions, note, standIn, arrivedTitle } = actionsOf[service]
  return html`
    <div class="activity-actions">
      ${actions.map(
        ({ kind, label }) =>
          html`<button type="button" data-kind=${kind} @click=${() => void send(kind)}>${label}</button>`,
      )}
    </div>
    ${note ? html`<p class="activity-note">${note}</p>` : nothing}
    ${
      viewer
        ? html`<p class="activity-note">
            <a href=${viewer} target="_blank" rel="noopener">${standIn} ↗</a>
          </p>`
        : nothing
    }
    ${runs.length === 0 ? nothing : html`<p class="activity-title">Runs</p>`}
    <ul class="activity-runs" aria-label="Runs of ${service}">
      ${runs.map(runOf)}
    </ul>
    ${arrived.length === 0 ? nothing : html`<p class="activity-title">${arrivedTitle}</p>`}
    <ul class="activity-arrived" aria-label=${arrivedTitle}>
      ${arrived.map(arrivalOf)}
    </ul>
  `
}

const stateText: Readonly<Record<RunState, string>> = {
  queued: 'queued',
  running: 'running',
  waiting: 'waiting',
  waiting_for_connection: 'waiting for a connection',
  waiting_for_version: 'waiting for its version',
  blocked: 'waiting for its turn',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
}

function runOf(run: RunSummary): TemplateResult {
  return html`<li class="activity-run" data-run=${run.id} data-state=${run.state}>
    <p class="activity-run-head">
      <span>${run.jobName}</span>
      <span class="activity-badge" data-state=${run.state}>${stateText[run.state]}</span>
    </p>
    <ol class="activity-steps">
      ${run.tasks.map(
        (task) =>
          html`<li data-state=${task.state}>
            ${task.name}${task.attempts > 1 ? ` (${task.attempts} attempts)` : ''} · ${task.state}
          </li>`,
      )}
    </ol>
    ${run.error ? html`<p class="activity-error">${run.error.message}</p>` : nothing}
  </li>`
}

const arrivalOf = (arrival: Arrival): TemplateResult =>
  html`<li>${arrival.text} <small>${arrival.place}</small></li>`

document.addEventListener('auth-success', () => void refresh())
document.addEventListener('visibilitychange', () => void refresh())
void refresh()
