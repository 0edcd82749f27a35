/** protocol → **backoff** → store → environment → connection → …
 *
 *  How long to stay away from a server that has gone. Pure.
 */

/** Milliseconds to wait before try number `attempt` (from 1): full jitter, never above 20 s.
 *  Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
export const delayMs = (attempt: number, random: () => number): number =>
  Math.round(random() * Math.min(20_000, 500 * 2 ** attempt))
