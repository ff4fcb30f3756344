/** Signing in: the key is tried once, then lives in memory until the page is reloaded or the user signs out. */

import { Client } from './graphql.js';
import { el, field, form } from './dom.js';

const SIGN_IN = `query SignIn {
    viewer { scopes apiKey { id name } }
}`;

const TENANT = `query Tenant {
    tenant { tenantId name }
}`;

/** Who shows the key. A key without the scope `usage:read` may not know its tenant, and works all the same. */
export async function readViewer(client) {
    const { viewer } = await client.query(SIGN_IN);
    const { tenant } = await client.query(TENANT).catch(() => ({ tenant: null }));
    return { ...viewer, tenant };
}

/**
 * @param {object} spec
 * @param {(key: string, viewer: object) => void} spec.signedIn
 * @param {string|null} spec.notice why the user is here again
 */
export function signInView({ signedIn, notice }) {
    const key = field({
        label: 'API key',
        hint: 'It begins with nat_pk_ and stays in the memory of this page: a reload forgets it.',
        type: 'password',
        autocomplete: 'off',
        autocapitalize: 'none',
        spellcheck: 'false',
        required: true,
    });

    async function work() {
        const text = key.input.value.trim();
        // A header can hold nothing else; no key has anything else in it.
        const wrong = text === '' ? 'Enter an API key.' : /[^\x21-\x7e]/.test(text) ? 'This is no API key.' : null;
        if (wrong) return [{ path: ['key'], message: wrong }];
        const client = new Client(text);
        try {
            const viewer = await readViewer(client);
            key.input.value = '';
            signedIn(text, viewer);
        } catch (error) {
            if (error.code !== 'INVALID_API_KEY') throw error;
            const message = 'The server does not know this key: it is mistyped, revoked or expired.';
            return [{ path: ['key'], message }];
        } finally {
            client.close();
        }
        return [];
    }

    return {
        title: 'Sign in',
        body: [
            notice && el('p', { class: 'warning' }, notice),
            el('div', { class: 'card narrow' }, form({ fields: { key }, submit: 'Sign in', work })),
        ],
        focus: key.input,
    };
}
