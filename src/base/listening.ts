import type { Listen, ListenName } from './config.ts';
import { Failure } from './failure.ts';

/** Why a listener could not be opened, as one line for the administrator: `Failure('port-in-use')` or `('listen')`. */
export function listenFailure(name: ListenName, listen: Listen, error: unknown): Failure {
  const where = `port ${listen.port} of ${listen.host === '::' ? 'this machine' : listen.host}`;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return new Failure('port-in-use', `listen.${name}.port: ${where} is in use by another program`, error);
  if (code === 'EACCES')
    return new Failure(
      'listen',
      `listen.${name}.port: ${where} needs more privileges than this process has`,
      error,
    );
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new Failure('listen', `listen.${name}.host: ${listen.host} is no address of this machine`, error);
  return new Failure('listen', `listen.${name}: ${message}`, error);
}

/** True where `::` cannot be opened because the machine has no IPv6; then `0.0.0.0` is every address. */
export function withoutIpv6(listen: Listen, error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return listen.host === '::' && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL');
}

/** `host:port`, with brackets around an IPv6 address. */
export function authority(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
