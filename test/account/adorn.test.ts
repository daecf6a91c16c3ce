import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adorned } from '../../src/account/adorn.ts';
import { parseStored } from '../../src/xmpp/parser.ts';
import { serialise, textOf } from '../../src/xmpp/serialise.ts';

const one = '0123456789abcdef0123456789abcdef01234567';
const other = 'f'.repeat(40);
const x = (inner: string) => `<x xmlns="vcard-temp:x:update">${inner}</x>`;
const photo = (hash: string) => x(`<photo>${hash}</photo>`);
const empty = x('<photo/>');
const presence = (inner: string) => `<presence from="a@b/c">${inner}</presence>`;

describe('the hash in presence (XEP-0398 §4, XEP-0153 §4.1)', () => {
  const see = (inner: string, avatar: string | null) => {
    const made = adorned(parseStored(presence(inner)), avatar);
    // What is sent, and what it is.
    assert.equal(textOf(made), serialise(made.with({})));
    return textOf(made);
  };

  it('is put into presence that says nothing, also where there is no image any more', () => {
    assert.equal(see('<show>away</show>', one), presence(`<show>away</show>${photo(one)}`));
    assert.equal(see('<show>away</show>', ''), presence(`<show>away</show>${empty}`));
    assert.equal(textOf(adorned(parseStored('<presence from="a@b/c"/>'), one)), presence(photo(one)));
    assert.equal(textOf(adorned(parseStored('<presence from="a@b/c"/>'), null)), '<presence from="a@b/c"/>');
  });

  it('takes the place of what says less, or something else', () => {
    for (const said of [x(''), photo(other), x('<foo/>')])
      assert.equal(see(`${said}<show>dnd</show>`, one), presence(`<show>dnd</show>${photo(one)}`));
    assert.equal(see(x(''), ''), presence(empty));
    assert.equal(see(x('').replace('></x>', '/>'), null), presence(empty));
    assert.equal(see(photo(one), one), presence(photo(one)));
  });

  it('leaves a client that has none to itself, and one that knows of an image that we do not', () => {
    for (const avatar of [one, '', null]) assert.equal(see(empty, avatar), presence(empty));
    assert.equal(see(photo(other), ''), presence(photo(other)));
    assert.equal(see(photo(other), null), presence(photo(other)));
  });

  it('is there once, whatever was there how often', () => {
    for (const said of [photo(other) + photo(one), x('') + photo(other), photo(other) + x('')])
      assert.equal(see(said, one), presence(photo(one)));
    assert.equal(see(photo(other) + empty, one), presence(empty));
    assert.equal(see(photo(other) + x(''), null), presence(photo(other)));
    assert.equal(see(x('<photo>&lt;&amp;"</photo>') + x(''), null), presence(photo('&lt;&amp;"')));
  });
});
