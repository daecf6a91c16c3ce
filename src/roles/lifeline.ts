import type { SupervisorMessage, WorkerMessage } from './supervisor.ts';

/**
 * The worker's end of the line to its supervisor: a sign of life each `heartbeat` ms, and no life without it. Where
 * the process has no supervisor, signals stop it and the rest does nothing.
 */
export function openLifeline(heartbeat: number, stop: () => void): { ready(): void; close(): void } {
  const tell = (message: WorkerMessage) => {
    if (process.connected) process.send?.(message);
  };
  // killed supervisors leave no message: the line just breaks. Ending at once loses nothing that was acknowledged,
  // and frees the ports and the data directory for whoever is started next
  const orphaned = () => process.exit(1);
  const hear = (message: SupervisorMessage) => {
    if (message === 'stop') stop();
  };
  const supervised = process.send !== undefined;
  if (supervised) {
    process.on('disconnect', orphaned).on('message', hear);
    process.on('SIGINT', ignore).on('SIGHUP', ignore); // a terminal sends them to everybody; the supervisor decides
  } else process.on('SIGINT', stop).on('SIGHUP', stop);
  process.on('SIGTERM', stop);

  tell('beat');
  const timer = setInterval(() => tell('beat'), heartbeat);
  return {
    ready: () => tell('ready'),
    close() {
      clearInterval(timer);
      if (!supervised) return;
      process.off('disconnect', orphaned).off('message', hear);
      if (process.connected) process.disconnect();
    },
  };
}

function ignore(): void {}
