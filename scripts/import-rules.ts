// The imports rule of ARCHITECTURE.md as pure functions: which module may import which. scripts/check-imports.ts applies
// it to the repository.

import type { ModuleImport } from './module-imports.ts'
import { isTestFile } from './source-files.ts'

// A folder may import folders of a lower rank and itself.
const ranks: Readonly<Record<string, number>> = {
  'server/cli': 8,
  'server/http': 7,
  'server/triggers': 6,
  'server/jobs': 5,
  'server/connect': 4,
  'server/oauth': 3,
  'server/vault': 2,
  'server/queue': 2,
  'server/store': 1,
}

const contractFiles = [
  'server/integrations/integration.ts',
  'server/integrations/registry.ts',
  'server/integrations/webhook-source.ts',
]
const providers = /^server\/integrations\/(airtable|github|linear|providers|shopify|slack|stripe)/
const ciphers =
  /^(createCipheriv|createDecipheriv|hkdf|hkdfSync|scrypt|scryptSync|pbkdf2|pbkdf2Sync|webcrypto|default|\*)$/

// Packages that one folder alone may import.
const owners: readonly { readonly packages: RegExp; readonly folder: string; readonly what: string }[] = [
  {
    packages: /^(mongodb|@photostructure\/sqlite|node:sqlite)$/,
    folder: 'server/store',
    what: 'database drivers',
  },
  { packages: /^(koa|@koa\/.*|koa-.*|helmet|@trpc\/server)$/, folder: 'server/http', what: 'Koa and tRPC' },
  {
    packages: /^(@slack\/.*|@octokit\/.*|airtable|@shopify\/.*)$/,
    folder: 'server/integrations',
    what: 'provider SDKs',
  },
]

/** `server/http` of `server/http/app.ts`; `server` of `server/index.ts`. */
function folderOf(path: string): string {
  const [top = '', second, ...rest] = path.split('/')
  return top === 'server' && rest.length > 0 ? `${top}/${second}` : top
}

const packageOf = (specifier: string): string =>
  specifier.startsWith('@')
    ? specifier.split('/').slice(0, 2).join('/')
    : (specifier.split('/')[0] ?? specifier)

/** What is wrong with one import, or undefined. `file` and paths are relative to the repository. */
export function judgeImport(file: string, entry: ModuleImport): string | undefined {
  const from = folderOf(file)
  if (isTestFile(file) || !['server', 'ui', 'shared'].includes(file.split('/')[0] ?? '')) {
    return entry.path === undefined || isTestFile(file) ? undefined : judgeOutside(from, folderOf(entry.path))
  }
  if (entry.path === undefined) return judgePackage(from, entry)
  if (isTestFile(entry.path) && !isTestFile(file)) return 'imports a test'
  return judgePath(file, from, entry, entry.path)
}

// Folders beside the library: the demo and the scripts may use anything but one another's insides.
function judgeOutside(from: string, to: string): string | undefined {
  return to === 'demo' && from !== 'demo' ? 'nothing imports the demo' : undefined
}

function judgePath(file: string, from: string, entry: ModuleImport, path: string): string | undefined {
  const to = folderOf(path)
  if (['demo', 'bench', 'scripts'].includes(to)) return `nothing imports ${to}`
  if (from === to) {
    const isProvider = providers.test(path) && !providers.test(file)
    return isProvider && file !== 'server/integrations/registry.ts'
      ? 'the parts of integrations import no provider'
      : undefined
  }
  if (to === 'shared') return undefined
  if (from === 'shared') return 'shared imports nothing of ours'
  if (from === 'ui') {
    const isRouterType = file === 'ui/client.ts' && entry.typeOnly && to.startsWith('server')
    return isRouterType ? undefined : 'ui imports only shared; ui/client.ts may import the type ConnectRouter'
  }
  if (to === 'ui') return 'the server does not import ui'
  if (from === 'server') return undefined
  return judgeServer(from, entry, path)
}

function judgeServer(from: string, entry: ModuleImport, path: string): string | undefined {
  const to = folderOf(path)
  if (to === 'server/sandbox') return 'only tests and the demo import the sandbox'
  // The command line stands above the server as a host does.
  if (to === 'server') return from === 'server/cli' ? undefined : 'parts do not import the root files'
  if (to === 'server/net') return undefined
  if (from === 'server/net') return 'net imports only shared'
  if (from === 'server/integrations') {
    return entry.typeOnly && path === 'server/jobs/job.ts'
      ? undefined
      : 'integrations import only net, shared and job types'
  }
  if (to === 'server/integrations') {
    return contractFiles.includes(path)
      ? undefined
      : 'parts know integrations by integration.ts and registry.ts only'
  }
  const [fromRank, toRank] = [ranks[from], ranks[to]]
  if (fromRank === undefined || toRank === undefined) return `${from} has no right to import ${to}`
  return toRank < fromRank ? undefined : `${from} may not import ${to}: layers never import back`
}

function judgePackage(from: string, entry: ModuleImport): string | undefined {
  const { specifier, typeOnly, names } = entry
  if (from === 'shared') return 'shared imports no package and no Node built-in'
  if (from === 'ui') {
    if (specifier.startsWith('node:')) return 'ui runs in browsers: no Node built-ins'
    return packageOf(specifier) === 'zod' ? 'zod stays out of the browser bundle' : undefined
  }
  if (from === 'server') return undefined
  const owner = owners.find(({ packages }) => packages.test(packageOf(specifier)))
  if (owner && owner.folder !== from && !typeOnly) return `only ${owner.folder} imports ${owner.what}`
  const forbidden = names.find((name) => ciphers.test(name))
  if (specifier === 'node:crypto' && from !== 'server/vault' && forbidden !== undefined) {
    return `only server/vault uses ciphers: import other names of node:crypto by name, not ${forbidden}`
  }
  return undefined
}

/** A cycle of imports that exist at run time, as a path that ends where it began; undefined when there is none. */
export function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): string[] | undefined => {
    const at = trail.indexOf(file)
    if (at >= 0) return [...trail.slice(at), file]
    if (done.has(file)) return undefined
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next, [...trail, file])
      if (cycle) return cycle
    }
    done.add(file)
    return undefined
  }
  for (const file of graph.keys()) {
    const cycle = visit(file, [])
    if (cycle) return cycle
  }
  return undefined
}
