// authflow worker: a process that runs jobs and serves nobody. As many as are needed; each takes what is due.

import type { RequestListener } from 'node:http'
import type { Command } from 'commander'
import { listen } from '../http/listen.ts'
import type { Client } from './configuration.ts'
import { type CommandLine, wholeNumber } from './command.ts'
import { type Terminal, usageError } from './terminal.ts'

const mostAtOnce = 1000
const highestPort = 65_535
/** What an orchestrator asks a worker for; everything else is what servers are for. */
const healthPaths = ['/healthz', '/readyz', '/metrics']

interface WorkerOptions {
  readonly concurrency?: number
  readonly health?: number
  readonly host?: string
}

/** Adds `worker`. */
export function workerCommand(program: Command, cli: CommandLine): void {
  program
    .command('worker')
    .description('run jobs until SIGTERM or SIGINT; needs --config with a file that defines them')
    .option(
      '--concurrency <count>',
      'runs at a time (default: that of the file, else 50)',
      wholeNumber(1, mostAtOnce),
    )
    .option('--health <port>', 'answer /healthz, /readyz and /metrics there', wholeNumber(0, highestPort))
    .option('--host <address>', 'where to answer them (default: on every interface)')
    .action((options: WorkerOptions) =>
      cli.run(async ({ terminal, process: { signal } }) => {
        const stopped = aborted(signal)
        const { client, from } = await cli.configure()
        try {
          if (client.inspect().jobs.length === 0)
            throw usageError(`${from} defines no job. Define them in the module that exports the client.`)
          await work(client, { options, terminal, stopped })
        } finally {
          await client.close()
        }
        terminal.line({ stopped: true }, 'Stopped.')
      }),
    )
}

/** What a worker is run with. */
interface Work {
  readonly options: WorkerOptions
  readonly terminal: Terminal
  /** Resolves when it is to stop. */
  readonly stopped: Promise<void>
}

async function work(client: Client, { options, terminal, stopped }: Work): Promise<void> {
  const { concurrency, health, host } = options
  // Before the first probe arrives, which would start a server as the file says.
  const started = client.start({ worker: true, ...(concurrency === undefined ? {} : { concurrency }) })
  started.catch(() => undefined)
  const listening =
    health === undefined ? undefined : await listen(answerHealth(client), { port: health, host })
  try {
    await started
    const { jobs, store, queue } = client.inspect()
    const port = listening?.port
    const names = jobs.map(({ job, version }) => `${job}@${version}`)
    terminal.line(
      {
        working: {
          pid: process.pid,
          jobs: names,
          store,
          queue,
          ...(port === undefined ? {} : { health: port }),
        },
      },
      `Working as process ${process.pid} on ${names.join(', ')}; runs in ${store}, queue in ${queue}${port === undefined ? '' : `, health on port ${port}`}.`,
    )
    await stopped
    terminal.note('Stopping. Running tasks have 25 s; what is not done by then goes to other workers.')
    await client.close()
  } finally {
    await listening?.end()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Answers orchestrators. Nothing else of the server is served. */
function answerHealth(client: Client): RequestListener {
  const base = new URL(client.inspect().baseUrl).pathname.replace(/\/$/, '')
  const answer = client.callback()
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    if (!healthPaths.includes(path)) return void response.writeHead(404).end()
    request.url = `${base}${path}`
    answer(request, response)
  }
}
