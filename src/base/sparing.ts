import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** Lines of one text within `apart` ms; what is above is counted. */
const most = 20;
const apart = 5000;
/** Different texts that are counted; they are constants of the program. */
const texts = 1000;

/**
 * A log for what may happen to thousands in the same moment: when the store is overloaded, a line and a stack trace for
 * each of them would take longer than all the rest. Of warnings and errors with the same text some are written, then how
 * many there were besides.
 */
export function sparing(log: Log, clock: Clock): Log {
  const said = new Map<string, { until: number; count: number }>();
  const at = (level: 'warn' | 'error', to: Log) => (fields: object, text: string) => {
    const now = clock.mono();
    let lines = said.get(text);
    if (lines === undefined || now >= lines.until) {
      if (lines === undefined && said.size >= texts) return to[level](fields, text);
      said.set(text, (lines = { until: now + apart, count: 0 }));
    }
    const mine = lines;
    mine.count += 1;
    if (mine.count <= most) to[level](fields, text);
    else if (mine.count === most + 1)
      clock.after(mine.until - now, () => to[level]({ unsaid: mine.count - most }, text));
  };
  const over = (to: Log): Log => ({
    debug: (fields, text) => to.debug(fields, text),
    info: (fields, text) => to.info(fields, text),
    warn: at('warn', to),
    error: at('error', to),
    child: (fields) => over(to.child(fields)),
  });
  return over(log);
}
