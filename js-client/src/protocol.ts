/** **protocol** → backoff → store → environment → connection → writes → rows → liveness → subscription → collection → presence → demultiplexer
 *
 *  The frames of the wire, version 1: what they are called, encode, decode. Pure.
 *  Its twin is `channels_databinding/protocol.py`; the page both obey is `docs/protocol.md`.
 *  Whatever comes from outside is `unknown` until it has passed `decode`.
 */

/** A primary key. Integers beyond ±(2⁵³−1) are strings, so two pks are the same if their string forms are. */
export type Pk = number | string

/** The fields of a row. The pk is never among them. */
export type Data = Readonly<Record<string, unknown>>

/** Together with the stream it names one subscription. `{}` stands for the groups the server gave at connect. */
export type Params = Readonly<Record<string, string | number | boolean>>

/** The rows of one subscription, and where they stand: what `Demultiplexer.snapshot` gives a page to carry. */
export interface Snapshot {
  readonly rows: readonly { readonly pk: Pk; readonly data: Data }[]
  readonly cursor: string
}

const ERROR_CODES = [
  'bad_frame',
  'unknown_stream',
  'unknown_action',
  'bad_params',
  'ref_reused',
  'forbidden',
  'not_found',
  'invalid',
  'conflict',
  'too_large',
  'failed',
] as const

/** The server's closed list, and two of the client's own: `too_many` (the write never left, the queue is full)
 *  and `closed` (the connection was closed for good before the answer came). */
export type ErrorCode = (typeof ERROR_CODES)[number] | 'too_many' | 'closed'

/** Close codes after which another try cannot help before somebody logs in or the page is loaded anew.
 *  4409 is among them on purpose: we would come back as somebody else, with the writes of the one who has left. */
export const REFUSALS: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  4401: ['forbidden', 'Log in first.'],
  4403: ['forbidden', 'You may not come here.'],
  4404: ['not_found', 'There is no such place on the server.'],
  4409: ['forbidden', 'You have been logged out.'],
}

/** Why a write, or a subscription, was refused. */
export class WriteError extends Error {
  override readonly name = 'WriteError'
  readonly code: ErrorCode
  /** With code `invalid`: what is wrong, by field. Otherwise empty. */
  readonly fields: Readonly<Record<string, readonly string[]>>
  /** With code `conflict`: the row as it is on the server, if you may read it. */
  readonly data: Data | undefined

  constructor(code: ErrorCode, message: string, fields: WriteError['fields'] = {}, data?: Data) {
    super(message)
    this.code = code
    this.fields = fields
    this.data = data
  }
}

export type Change = {
  readonly action: 'create' | 'update' | 'delete'
  readonly pk: Pk
  readonly data: Data
  /** The client writes that made it. */
  readonly refs: readonly string[]
}

/** What is told of one tab that is present. */
export interface Entry {
  /** What the server calls who is on it: '' for who has no name. */
  readonly name: string
  /** What it has in common with other tabs of the same person, if that can be told. */
  readonly person?: string | undefined
  readonly state: Data
}

/** What the server says, once decoded. A single change arrives as `changes` too. */
export type Frame =
  | { action: 'changes'; subscription: string; changes: readonly Change[]; cursor: string | undefined }
  | { action: 'snapshot'; subscription: string; first: boolean; rows: Snapshot['rows'] }
  | { action: 'reset'; subscription: string; reason: string }
  | {
      action: 'presence'
      subscription: string
      first: boolean
      joined: readonly (readonly [key: string, Entry])[]
      left: readonly string[]
      more: number
    }
  | {
      action: 'ack'
      stream: string
      ref: string
      pk: Pk | undefined
      key: string | undefined
      cursor: string | undefined
    }
  | { action: 'error'; ref: string; error: WriteError }
  | { action: 'ping'; ref: string }

export type Payload =
  | { action: 'subscribe'; since?: string | undefined }
  | { action: 'unsubscribe' | 'ping' | 'ack' }
  | { action: 'presence'; state: Data | null }
  | {
      action: Change['action']
      pk?: Pk | undefined
      data?: Data | undefined
      expect?: Data | undefined
    }

/** What the client says. */
export type Outgoing = { stream: string; params?: Params | undefined; ref: string; payload: Payload }

export const encode = (frame: Outgoing): string => JSON.stringify(frame)

/** A name never used before: 32 random hex digits.
 *  By `getRandomValues`, since `randomUUID` is missing on plain http. */
export const newRef = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')

/** The name of the subscription to `stream` with `params`: their JSON with sorted keys. */
export const subscriptionName = (stream: string, params: Params = {}): string =>
  JSON.stringify([stream, Object.entries(params).toSorted(([a], [b]) => (a < b ? -1 : 1))])

/** Return what `text` says, or undefined for what this client does not know or cannot trust:
 *  newer servers may say more, and a broken frame must not break the page. */
export function decode(text: unknown): Frame | undefined {
  const frame = parse(text)
  const payload = frame?.['payload']
  if (!frame || !isObject(payload)) return undefined
  const { stream, ref, cursor: told } = frame
  const params = frame['params'] ?? {}
  if (typeof stream !== 'string' || !isParams(params)) return undefined
  const subscription = subscriptionName(stream, params)
  const cursor = textOf(told)
  switch (payload['action']) {
    case 'create':
    case 'update':
    case 'delete': {
      const change = toChange({ ...payload, refs: frame['refs'] })
      return change && { action: 'changes', subscription, changes: [change], cursor }
    }
    case 'changes': {
      const changes = toAll(payload['changes'], toChange)
      return changes && { action: 'changes', subscription, changes, cursor }
    }
    case 'snapshot': {
      const rows = toAll(payload['rows'], toRow)
      return rows && { action: 'snapshot', subscription, first: payload['first'] === true, rows }
    }
    case 'reset':
      return { action: 'reset', subscription, reason: String(payload['reason'] ?? '') }
    case 'presence': {
      const { first, joined, left, more } = payload
      if (!isObject(joined)) return undefined
      const entries = Object.entries(joined).map(([key, entry]) => [key, toEntry(entry)] as const)
      const news = { joined: entries, left: Array.isArray(left) ? left.map(String) : [] }
      return { action: 'presence', subscription, first: first === true, ...news, more: Number(more ?? 0) }
    }
    case 'ack': {
      const { pk, key } = payload
      if (typeof ref !== 'string') return undefined
      return { action: 'ack', stream, ref, pk: isPk(pk) ? pk : undefined, key: textOf(key), cursor }
    }
    case 'error':
      return typeof ref === 'string' ? { action: 'error', ref, error: toError(payload) } : undefined
    case 'ping':
      return typeof ref === 'string' ? { action: 'ping', ref } : undefined
    default:
      return undefined
  }
}

/** Milliseconds the server asks to stay away, from a close reason such as `{"retry_after_ms": 5000}`; else 0.
 *  It is believed up to an hour. */
export function retryAfterMs(reason: string): number {
  const asked = parse(reason)?.['retry_after_ms']
  return typeof asked === 'number' ? Math.min(Math.max(asked, 0), 3_600_000) : 0
}

function parse(text: unknown): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(String(text))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isPk = (value: unknown): value is Pk => typeof value === 'number' || typeof value === 'string'

const isParams = (value: unknown): value is Params =>
  isObject(value) && Object.values(value).every(one => isPk(one) || typeof one === 'boolean')

/** All or nothing: half a frame would be a screen that is wrong and does not know it. */
function toAll<T>(value: unknown, read: (item: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(value)) return undefined
  const items: T[] = []
  for (const item of value) {
    const one = read(item)
    if (one === undefined) return undefined
    items.push(one)
  }
  return items
}

function toRow(value: unknown): { pk: Pk; data: Data } | undefined {
  return isObject(value) && isPk(value['pk']) && isObject(value['data'])
    ? { pk: value['pk'], data: value['data'] }
    : undefined
}

function toChange(value: unknown): Change | undefined {
  const row = toRow(value)
  if (!row || !isObject(value)) return undefined
  const { action, refs } = value
  if (action !== 'create' && action !== 'update' && action !== 'delete') return undefined
  return { ...row, action, refs: Array.isArray(refs) ? refs.map(String) : [] }
}

function toEntry(value: unknown): Entry {
  const { name, person, state } = isObject(value) ? value : {}
  return { name: textOf(name) ?? '', person: textOf(person), state: isObject(state) ? state : {} }
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined)

function toError(payload: Record<string, unknown>): WriteError {
  const { message, fields, data } = payload
  const code = ERROR_CODES.find(known => known === payload['code']) ?? 'failed'
  const told = Object.entries(isObject(fields) ? fields : {})
  return new WriteError(
    code,
    typeof message === 'string' && message ? message : `The server refused: ${code}.`,
    Object.fromEntries(told.map(([field, texts]) => [field, [texts].flat().map(String)])),
    isObject(data) ? data : undefined,
  )
}
