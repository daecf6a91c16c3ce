import { pause } from './proc.ts';

/** What a server said against something. */
export class Refused extends Error {
  /** It may be tried again (RFC 6120 §8.3.2). */
  readonly wait: boolean;
  constructor(message: string, wait: boolean) {
    super(message);
    this.wait = wait;
  }
}

/** Does something as a client does that is told to try again later; `again`: how often it was told so. */
export async function insist<Result>(
  work: () => Promise<Result>,
): Promise<{ result: Result; again: number }> {
  for (let again = 0; ; again++)
    try {
      return { result: await work(), again };
    } catch (error) {
      if (!(error instanceof Refused && error.wait) || again === TRIES) throw error;
      await pause(1000);
    }
}

const TRIES = 60;
