import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The domain part of an address in its one form (RFC 7622 §3.2): small letters, U-labels, no final dot; or an
 * IPv4 address; or an IPv6 address in brackets. Returns undefined where it is none of these.
 */
export function normalDomain(text: string): string | undefined {
  if (text.startsWith('[')) return literal(text);
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  if (!/^[\x21-\x7e]+$/.test(name) || /(?:^|\.)xn--/i.test(name)) return international(name);
  const lower = name.toLowerCase();
  return hostname(lower) ? lower : undefined;
}

/** Labels of letters, digits and inner hyphens (RFC 1123 §2.1). What ends in a number is an IPv4 address or nothing. */
function hostname(name: string): boolean {
  const labels = name.split('.');
  if (!labels.every((part) => label.test(part))) return false;
  return !/^\d+$/.test(labels[labels.length - 1]!) || isIPv4(name);
}

function literal(text: string): string | undefined {
  const inner = text.slice(1, -1);
  if (!text.endsWith(']') || inner.includes('%') || !isIPv6(inner)) return undefined;
  return new URL(`http://${text}`).hostname;
}

/** IDNA by the rules of UTS #46, as browsers do. */
function international(text: string): string | undefined {
  // These would be read as parts of a URL, or as an address in another base.
  if (/[^0-9A-Za-z.\-\u0080-\uffff]/.test(text)) return undefined;
  const ascii = domainToASCII(text);
  if (ascii === '' || ascii.endsWith('.') || isIPv4(ascii) || !hostname(ascii)) return undefined;
  const unicode = domainToUnicode(ascii);
  return domainToASCII(unicode) === ascii ? unicode : undefined;
}
