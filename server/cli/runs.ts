// authflow runs: what jobs did and do. Payloads and outputs are never shown.

import type { Command } from 'commander'
import type { RunSummary } from '../../shared/flow.ts'
import type { RunLogLine } from '../jobs/engine.ts'
import { runStates } from '../jobs/run-list.ts'
import { type Client } from './configuration.ts'
import { type CommandLine, wholeNumber } from './command.ts'
import { tailRun } from './tail-run.ts'
import { exitCodes, table, type Terminal, usageError } from './terminal.ts'

const pageSize = 100
const mostListed = 1_000_000

interface ListOptions {
  readonly account?: string
  readonly job?: string
  readonly state?: string
  readonly limit: number
  readonly cursor?: string
}

/** Adds `runs list | show | cancel | replay | resume | tail`. */
export function runCommands(program: Command, cli: CommandLine): void {
  const runs = program.command('runs').description('runs of jobs: list, show, tail, cancel, replay, resume')
  runs
    .command('list')
    .description('runs, newest first')
    .option('--account <id>', 'of this account only')
    .option('--job <id>', 'of this job only')
    .option('--state <state>', `only those that are ${runStates.join(', ')}`)
    .option('--limit <count>', 'at most so many', wholeNumber(1, mostListed), pageSize)
    .option('--cursor <text>', 'go on where a list before ended')
    .action((options: ListOptions) =>
      cli.runOn(async ({ client, terminal }) => {
        const page = await listUpTo(client, options)
        terminal.result(page, page.items.length === 0 ? 'There are none.' : listText(page.items))
        if (page.cursor !== undefined) terminal.note(`There are more: --cursor ${page.cursor}`)
      }),
    )
  runs
    .command('show')
    .description('one run with its tasks and log lines')
    .argument('<run>', 'the run’s id')
    .action((id: string) =>
      cli.runOn(async ({ client, terminal }) => {
        const run = await client.runs.get({ id })
        const log = await client.runs.log({ id })
        terminal.result({ ...run, log }, showText(run, log))
      }),
    )
  runs
    .command('tail')
    .description('follow a run’s tasks and log lines until it ends; its end gives the exit code')
    .argument('<run>', 'the run’s id')
    .action((id: string) =>
      cli.runOn(async ({ client, terminal, process: { signal } }) =>
        tailRun(client, { id, terminal, signal }),
      ),
    )
  addChanges(runs, cli)
}

/** What each of the changing commands asks of the server, and how it says that it was done. */
const changes = {
  cancel: {
    about: 'end a run; one that works is told to stop, and ends once no task of it runs',
    text: (run: RunSummary) =>
      run.endedAt === null ? `${run.id} is being cancelled.` : `${run.id} is over: ${run.state}.`,
  },
  replay: {
    about: 'start a new run of the event of a run that is over, with the job as it is now',
    text: (run: RunSummary) => `${run.id} was started with version ${run.jobVersion}.`,
  },
  resume: {
    about: 'go on with a failed run at the task that failed',
    text: (run: RunSummary) => `${run.id} goes on.`,
  },
} as const

function addChanges(runs: Command, cli: CommandLine): void {
  for (const name of ['cancel', 'replay', 'resume'] as const) {
    const { about, text } = changes[name]
    runs
      .command(name)
      .description(about)
      .argument('<runs...>', 'ids of runs')
      .action((ids: readonly string[]) =>
        cli.runOn(({ client, terminal }) =>
          changeEach(terminal, { ids, text, change: (id) => client.runs[name]({ id }) }),
        ),
      )
  }
}

/** Each by itself: one that can't be changed keeps none of the others from it. */
async function changeEach(
  terminal: Terminal,
  work: {
    readonly ids: readonly string[]
    readonly change: (id: string) => Promise<RunSummary>
    readonly text: (run: RunSummary) => string
  },
): Promise<typeof exitCodes.failed | void> {
  const items: RunSummary[] = []
  const lines: string[] = []
  const failures: unknown[] = []
  for (const id of work.ids) {
    try {
      const run = await work.change(id)
      items.push(run)
      lines.push(work.text(run))
    } catch (cause) {
      if (work.ids.length === 1) throw cause
      failures.push(terminal.failed(id, cause))
    }
  }
  terminal.result({ items, failures }, lines.join('\n'))
  if (failures.length > 0) return exitCodes.failed
}

async function listUpTo(
  client: Client,
  { account, job, state, limit, cursor: first }: ListOptions,
): Promise<{ readonly items: readonly RunSummary[]; readonly cursor?: string }> {
  const wanted = runStates.find((each) => each === state)
  if (state !== undefined && wanted === undefined)
    throw usageError(`--state must be one of ${runStates.join(', ')}.`)
  const items: RunSummary[] = []
  let cursor = first
  do {
    const page = await client.runs.list({
      limit: Math.min(pageSize, limit - items.length),
      ...(account === undefined ? {} : { accountId: account }),
      ...(job === undefined ? {} : { job }),
      ...(wanted === undefined ? {} : { state: wanted }),
      ...(cursor === undefined ? {} : { cursor }),
    })
    items.push(...page.items)
    cursor = page.cursor
  } while (cursor !== undefined && items.length < limit)
  return cursor === undefined ? { items } : { items, cursor }
}

function listText(items: readonly RunSummary[]): string {
  const rows = items.map(({ id, job, jobVersion, accountId, state, createdAt, endedAt, error }) => [
    id,
    `${job}@${jobVersion}`,
    accountId ?? '–',
    error === null ? state : `${state} (${error.code})`,
    createdAt,
    endedAt ?? '–',
  ])
  return table(['RUN', 'JOB', 'ACCOUNT', 'STATE', 'CREATED', 'ENDED'], rows)
}

function showText(run: RunSummary, log: readonly RunLogLine[]): string {
  const facts: (readonly [string, string])[] = [
    ['id', run.id],
    ['job', `${run.job}@${run.jobVersion} (${run.jobName})`],
    ['account', run.accountId ?? '–'],
    ['state', run.state],
    ['created', run.createdAt],
    ['ended', run.endedAt ?? '–'],
    ...(run.continues === null ? [] : [['goes on', run.continues] as const]),
    ...(run.continuedAs === null ? [] : [['then', run.continuedAs] as const]),
    ...(run.error === null ? [] : [['error', `${run.error.code}: ${run.error.message}`] as const]),
  ]
  const tasks = run.tasks.map(({ key, kind, state, attempts, startedAt, endedAt }) => [
    key,
    kind,
    state,
    String(attempts),
    startedAt,
    endedAt ?? '–',
  ])
  const lines = log.map(({ at, level, message, task, facts: more }) => [
    at,
    level,
    task ?? '',
    Object.keys(more).length === 0 ? message : `${message} ${JSON.stringify(more)}`,
  ])
  return [
    facts.map(([name, value]) => `${name.padEnd(8)} ${value}`).join('\n'),
    ...(tasks.length === 0 ? [] : [table(['TASK', 'KIND', 'STATE', 'TRIES', 'STARTED', 'ENDED'], tasks)]),
    ...(lines.length === 0 ? [] : [table(['AT', 'LEVEL', 'TASK', 'MESSAGE'], lines)]),
  ].join('\n\n')
}
