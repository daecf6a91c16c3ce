import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attribute, content, Scanner } from '../../bench/scan.ts';

const HEADER = "<?xml version='1.0'?><stream:stream from='a>b' id=\"1\" xmlns='jabber:client'>";
const CHILDREN = [
  '<stream:features><mechanisms><mechanism>PLAIN</mechanism></mechanisms></stream:features>',
  "<message to='u1@bench.test' id='m7'><body>1 &gt; 0</body><x/></message>",
  "<r xmlns='urn:xmpp:sm:3'/>",
  '<presence from="it\'s>me"/>',
  "<a xmlns='urn:xmpp:sm:3' h='12'/>",
];

function children(chunks: Iterable<string>): string[] {
  const scanner = new Scanner();
  const found: string[] = [];
  for (const chunk of chunks) scanner.push(chunk, (text) => found.push(text));
  return found;
}

void test('a stream comes apart into its children, whole', () => {
  assert.deepEqual(children([HEADER + CHILDREN.join('')]), CHILDREN);
});

void test('it does so however the bytes are cut', () => {
  const whole = `${HEADER}${CHILDREN.join('\n')}</stream:stream>`;
  const expected = [...CHILDREN, '</stream:stream>'];
  assert.deepEqual(children(whole), expected, 'a byte at a time');
  for (let cut = 1; cut < whole.length; cut++) {
    assert.deepEqual(children([whole.slice(0, cut), whole.slice(cut)]), expected, `cut at ${cut}`);
  }
});

void test('after a reset a new stream starts', () => {
  const scanner = new Scanner();
  const found: string[] = [];
  const take = (text: string) => void found.push(text);
  scanner.push(`${HEADER}<success/>`, take);
  scanner.reset();
  scanner.push(`${HEADER}<r/>`, take);
  assert.deepEqual(found, ['<success/>', '<r/>']);
});

void test('attributes are read from the first tag only, by their whole name', () => {
  const text = "<message xml:id='no' id=\"m7\" to='b'><x h='5'/></message>";
  assert.equal(attribute(text, 'id'), 'm7');
  assert.equal(attribute(text, 'to'), 'b');
  assert.equal(attribute(text, 'h'), undefined);
});

void test('the text of an element is found with and without attributes', () => {
  assert.equal(content("<challenge xmlns='urn:x'>abc=</challenge>", 'challenge'), 'abc=');
  assert.equal(content('<iq><bind><jid>u1@bench.test/r</jid></bind></iq>', 'jid'), 'u1@bench.test/r');
  assert.equal(content('<success/>', 'success'), undefined);
});
