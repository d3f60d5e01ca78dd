// Builds the demo's pages with vite when the demo starts and serves them from memory: one process, no files written.

import { createHash } from 'node:crypto'
import type { Context } from 'koa'
import { build } from 'vite'
import config from '../vite.config.ts'

interface PageFile {
  readonly body: Buffer
  readonly etag: string
}

/** The built pages by path: `/`, `/plain`, `/unstyled`, `/site`, `/assets/…`. */
export type PageFiles = ReadonlyMap<string, PageFile>

/** Builds all pages; about half a second. */
export async function buildPages(): Promise<PageFiles> {
  const results = [
    await build({ ...config, configFile: false, build: { ...config.build, write: false } }),
  ].flat()
  const files = new Map<string, PageFile>()
  for (const result of results) {
    if (!('output' in result)) continue
    for (const item of result.output) {
      const body = Buffer.from(item.type === 'chunk' ? item.code : item.source)
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 16)}"`
      files.set(pathOf(item.fileName), { body, etag })
    }
  }
  return files
}

const pathOf = (fileName: string): string =>
  fileName === 'index.html' ? '/' : `/${fileName.replace(/\.html$/, '')}`

/** Answers a GET from the built pages. False when there is no such page. */
export function servePage(context: Context, files: PageFiles, path = context.path): boolean {
  const file = files.get(path)
  if (!file || (context.method !== 'GET' && context.method !== 'HEAD')) return false
  const hashed = path.startsWith('/assets/')
  context.set('Cache-Control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache')
  context.set('ETag', file.etag)
  context.status = 200
  context.type = hashed ? path.slice(path.lastIndexOf('.')) : '.html'
  if (context.fresh) context.status = 304
  else context.body = file.body
  return true
}
