/** Start of the page: who is signed in, and which view the address names. */

import { Client } from './graphql.js';
import { announce, el, fill } from './dom.js';
import { readViewer, signInView } from './signin.js';
import { UsageWatch } from './usage.js';
import { scansView } from './scans.js';
import { scanView } from './scan.js';
import { keysView } from './keys.js';
import { billingView } from './billing.js';

/**
 * What views share while somebody is signed in.
 *
 * @typedef {object} Session
 * @property {Client} client
 * @property {object} viewer who shows the key
 * @property {UsageWatch} usage
 * @property {() => Promise<void>} refreshViewer asks again who shows the key, after it was replaced
 * @property {(notice?: string) => void} signOut
 *
 * A view shows itself at once and fills itself; `stop` ends what it follows.
 *
 * @typedef {{title: string, body: Array<Node>, stop?: () => void, focus?: HTMLElement}} View
 */

/** @type {Array<[RegExp, (session: Session, signal: AbortSignal, parameter?: string) => View]>} */
const ROUTES = [
    [/^#\/$/, scansView],
    [/^#\/scans\/([^/]+)$/, scanView],
    [/^#\/keys$/, keysView],
    [/^#\/billing$/, billingView],
];

const HOME = '#/';
const part = (id) => document.getElementById(id);

/** @type {Session|null} */
let session = null;
let shown = { stop: () => {} };

/** Shows a view, and takes the reader to its heading. */
function show(view) {
    const heading = el('h1', { tabindex: -1 }, view.title);
    fill(part('main'), heading, view.body);
    document.title = `${view.title} · NAT`;
    (view.focus ?? heading).focus();
    scrollTo(0, 0);
}

function leave() {
    shown.stop();
    shown = { stop: () => {} };
}

function route() {
    leave();
    if (!session) {
        showSignIn(null);
        return;
    }
    const address = location.hash || HOME;
    for (const [pattern, view] of ROUTES) {
        const match = pattern.exec(address);
        if (!match) continue;
        const gone = new AbortController();
        const made = view(session, gone.signal, match[1] && decode(match[1]));
        shown = {
            stop() {
                gone.abort();
                made.stop?.();
            },
        };
        for (const link of part('nav').querySelectorAll('a')) {
            // A single scan belongs to the scans.
            const here = link.hash === address || (link.hash === HOME && address.startsWith('#/scans/'));
            if (here) link.setAttribute('aria-current', 'page');
            else link.removeAttribute('aria-current');
        }
        show(made);
        return;
    }
    location.replace(HOME);
}

/** An address that somebody typed may be no proper encoding. */
function decode(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}

function showSignIn(notice) {
    part('nav').hidden = part('sign-out').hidden = true;
    show(signInView({ signedIn, notice }));
}

function signedIn(key, viewer) {
    const client = new Client(key, {
        refused: () => session?.signOut('You are signed out: this key is not valid any more.'),
        connection: (up) => { part('offline').textContent = up ? '' : 'Live updates pause: connecting again …'; },
    });
    session = { client, viewer, usage: new UsageWatch(client), refreshViewer, signOut };
    part('who').textContent = viewer.tenant ? viewer.tenant.name ?? viewer.tenant.tenantId : '';
    part('nav').hidden = part('sign-out').hidden = false;
    route();
}

/** Forgets the key and everything that it has shown. */
function signOut(notice = 'You are signed out.') {
    if (!session) return;
    leave();
    session.usage.stop();
    session.client.close();
    session = null;
    part('who').textContent = '';
    part('offline').textContent = '';
    for (const dialog of document.querySelectorAll('dialog')) dialog.close();
    history.replaceState(null, '', location.pathname);
    showSignIn(notice);
}

async function refreshViewer() {
    session.viewer = await readViewer(session.client);
}

addEventListener('hashchange', route);
part('sign-out').addEventListener('click', () => signOut());
part('skip').addEventListener('click', (event) => {
    // The address is taken by the views.
    event.preventDefault();
    part('main').focus();
});
// A browser may keep a page that was left, with its memory, for the way back: that is no reload, but it looks like one.
addEventListener('pageshow', (event) => {
    if (event.persisted) signOut('You are signed out: the page was left.');
});
route();
