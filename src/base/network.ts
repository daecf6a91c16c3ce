import { isIPv6 } from 'node:net';

/** Under which name an address is counted: who has one IPv6 address has the other 2^64 of its network too. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = '', tail = ''] = address.split('::');
  const left = head.split(':').filter((group) => group !== '');
  const right = tail.split(':').filter((group) => group !== '');
  while (left.length + right.length < 8) left.push('0');
  return [...left, ...right].slice(0, 4).join(':');
}
