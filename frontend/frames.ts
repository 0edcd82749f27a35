/** The last frames of this page's connection, for those who want to see the protocol at work. Its HTML is frames.html. */

import type { Alpine } from 'alpinejs'

interface Shown {
  readonly key: number
  readonly way: 'sent' | 'received'
  readonly time: string
  readonly said: string
  readonly text: string
}

const KEPT = 30

const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

const shown: Shown[] = []
let frames = 0
let tell = () => {}

function show(way: Shown['way'], text: string): void {
  const time = clock.format(new Date())
  shown.unshift({ key: (frames += 1), way, time, said: summary(text), text })
  shown.length = Math.min(shown.length, KEPT)
  tell()
}

/** What kind of frame it is, in a word or two: `posts: update`. */
function summary(text: string): string {
  const { stream, payload } = JSON.parse(text) as { stream: string; payload: { action: string } }
  return stream ? `${stream}: ${payload.action}` : payload.action
}

/** The browser's WebSocket, overheard: `connect(url, { WebSocket: OverheardSocket })`. */
export class OverheardSocket extends WebSocket {
  constructor(url: string) {
    super(url)
    this.addEventListener('message', ({ data }) => show('received', String(data)))
  }

  override send(text: string): void {
    show('sent', text)
    super.send(text)
  }
}

export default (Alpine: Alpine) =>
  Alpine.data('frames', () => ({
    open: false,
    frames: [] as readonly Shown[],

    init() {
      tell = () => {
        if (this.open) this.frames = [...shown]
      }
    },

    toggle() {
      this.open = !this.open
      tell()
    },

    /** For those who do not see the arrow. */
    way({ way }: Shown) {
      return way === 'sent' ? 'to the server' : 'from the server'
    },
  }))
