// Our own heading and footer in the place of Converse.js's, which show other hosts' pictures and links.
// Loaded first: an element that is defined already stays.
class Heading extends HTMLElement {
  connectedCallback() {
    const name = document.createElement('h1');
    name.textContent = document.title;
    name.className = 'muster-heading';
    this.replaceChildren(name);
  }
}

class Footer extends HTMLElement {
  connectedCallback() {
    const link = document.createElement('a');
    link.textContent = 'Converse.js';
    link.href = 'https://github.com/conversejs/converse.js';
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
    const line = document.createElement('p');
    line.className = 'muster-footer';
    line.append('Web client: ', link, ' (MPL-2.0)');
    this.replaceChildren(line);
  }
}

class Nothing extends HTMLElement {}

customElements.define('converse-brand-logo', Heading);
customElements.define('converse-footer', Footer);
customElements.define('converse-controlbox-navbar', class extends Nothing {});
customElements.define('converse-bg', class extends Nothing {});
