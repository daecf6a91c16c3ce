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
  const said = new Map<string, { count: number }>();
  const begin = (text: string, sum: (unsaid: number) => void) => {
    const lines = { count: 0 };
    if (said.size >= texts) return lines;
    said.set(text, lines);
    clock.after(apart, () => {
      said.delete(text);
      if (lines.count > most) sum(lines.count - most);
    });
    return lines;
  };
  const at = (level: 'warn' | 'error', to: Log) => (fields: object, text: string) => {
    const lines = said.get(text) ?? begin(text, (unsaid) => to[level]({ unsaid }, text));
    if (++lines.count <= most) to[level](fields, text);
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
