import { createHash } from 'node:crypto';
import { el, type Element } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { imageInfo, type ImageInfo } from './image.ts';

/** An image as it stands in a vCard, or in a node of avatars. */
export interface Image extends ImageInfo {
  /** SHA-1 of its bytes in hexadecimal digits, which is what everybody calls it by (XEP-0084 §3.1). */
  readonly hash: string;
  /** In bytes. */
  readonly size: number;
  readonly base64: string;
}

/** The image that this text is in base64; undefined where it is no base64, or of no type that we know. */
export function imageOf(text: string): Image | undefined {
  // XEP-0153 §4.6: white space is ignored.
  const base64 = text.replaceAll(/[ \t\r\n]+/g, '');
  if (base64 === '' || base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  const info = imageInfo(bytes);
  if (info === undefined) return undefined;
  const hash = createHash('sha1').update(bytes).digest('hex');
  return { ...info, hash, size: bytes.length, base64 };
}

/** The photo of a vCard, where it is an image that we know; not one that is elsewhere (XEP-0153 §4.5, EXTVAL). */
export function photoIn(vcard: Element): Image | undefined {
  for (const photo of vcard.elements('PHOTO')) {
    const image = imageOf(photo.child('BINVAL')?.text() ?? '');
    if (image !== undefined) return image;
  }
  return undefined;
}

/** The vCard with this photo alone. */
export function withPhoto(vcard: Element, image: Image): Element {
  const photo = el('PHOTO', NS.vcard, {}, [
    el('TYPE', NS.vcard, {}, [image.type]),
    el('BINVAL', NS.vcard, {}, [image.base64]),
  ]);
  return vcard.withChildren([...withoutPhotos(vcard).children, photo]);
}

export function withoutPhotos(vcard: Element): Element {
  return vcard.withChildren(
    vcard.children.filter((node) => typeof node === 'string' || !node.is('PHOTO', NS.vcard)),
  );
}
