/** The API keys of the tenant: make, rotate, revoke. A secret is shown once, and only while its dialog is open. */

import {
    announce, button, copyButton, el, explain, facts, field, fill, form, moment, openDialog, problemBox,
} from './dom.js';

const USER_ERRORS = 'userErrors { code message path retryAfter quotaResetDate }';

const KEY_FIELDS = `fragment KeyFields on ApiKey {
    id keyId name prefix scopes createdAt lastUsedAt expiresAt revokedAt
}`;

const KEYS = `query ApiKeys {
    apiKeys { ...KeyFields }
}
${KEY_FIELDS}`;

const CREATE = `mutation CreateApiKey($input: CreateApiKeyInput!) {
    createApiKey(input: $input) { apiKey { ...KeyFields } secret ${USER_ERRORS} }
}
${KEY_FIELDS}`;

const ROTATE = `mutation RotateApiKey($input: RotateApiKeyInput!) {
    rotateApiKey(input: $input) { apiKey { ...KeyFields } secret ${USER_ERRORS} }
}
${KEY_FIELDS}`;

const REVOKE = `mutation RevokeApiKey($input: RevokeApiKeyInput!) {
    revokeApiKey(input: $input) { revokedId ${USER_ERRORS} }
}`;

const GRACE = [['0', 'Stops at once'], ['3600', 'Works for 1 more hour'], ['86400', 'Works for 1 more day']];

const isDead = ({ revokedAt, expiresAt }) =>
    revokedAt !== null || (expiresAt !== null && Date.parse(expiresAt) <= Date.now());

/** @returns {import('./app.js').View} */
export function keysView(session, signal) {
    const problem = problemBox();
    const heading = el('h2', { id: 'keys-heading', tabindex: -1 }, 'Keys in force');
    const alive = el('ul', { class: 'rows' });
    const dead = el('ul', { class: 'rows' });
    const deadCount = el('summary', {});
    const grave = el('details', { hidden: true }, deadCount, dead);

    const load = () => problem.guard(async () => {
        const { apiKeys } = await session.client.query(KEYS, {}, signal);
        const own = session.viewer.apiKey?.id;
        const gone = apiKeys.filter(isDead);
        // The newest first: what was just made is what the reader looks for.
        const row = (key) => keyRow(key, key.id === own, session, load);
        fill(alive, apiKeys.filter((key) => !isDead(key)).reverse().map(row));
        fill(dead, gone.reverse().map(row));
        deadCount.textContent = `Revoked and expired keys (${gone.length})`;
        grave.hidden = gone.length === 0;
        if (document.activeElement === document.body) heading.focus();
    });

    load();
    return {
        title: 'API keys',
        body: [
            createForm(session, load),
            el('section', { 'aria-labelledby': 'keys-heading' }, heading, problem.node, alive, grave),
        ],
    };
}

function createForm(session, made) {
    const name = field({
        label: 'Name', maxlength: 100, autocomplete: 'off', required: true, hint: 'For people: what the key is for.',
    });
    const expiresAt = field({ label: 'Expires on (UTC, optional)', type: 'date' });
    // A key can give no more than it has. Rights over keys are for those who ask for them.
    const choices = session.viewer.scopes.map((scope) => el('label', { class: 'choice' },
        el('input', { type: 'checkbox', value: scope, checked: !scope.startsWith('keys:') }),
        el('code', {}, scope)));
    const scopes = el('fieldset', {}, el('legend', {}, 'What it may do'), el('div', { class: 'choices' }, choices));

    async function work() {
        const input = {
            name: name.input.value.trim(),
            scopes: [...scopes.querySelectorAll('input:checked')].map(({ value }) => value),
            expiresAt: expiresAt.input.value ? `${expiresAt.input.value}T00:00:00Z` : null,
        };
        const { createApiKey } = await session.client.mutate(CREATE, { input });
        if (createApiKey.secret) {
            node.reset();
            openDialog('Your new key', (close) => secretShown(createApiKey.secret, close));
            await made();
        }
        return createApiKey.userErrors;
    }

    const fields = { name, expiresAt };
    const node = form({ fields, body: [name.node, expiresAt.node, scopes], submit: 'Create key', work });
    return el('section', { class: 'card', 'aria-labelledby': 'create-heading' },
        el('h2', { id: 'create-heading' }, 'Create a key'), node);
}

function keyRow(key, own, session, changed) {
    const state = key.revokedAt ? 'Revoked' : isDead(key) ? 'Expired' : null;
    const action = (label, ask, kind) =>
        button(label, () => ask(key, own, session, changed), { 'aria-label': `${label} ${key.name}`, class: kind });
    const actions = !state && el('div', { class: 'actions' },
        action('Rotate', askToRotate), action('Revoke', askToRevoke, 'danger'));
    return el('li', { class: 'card row' },
        el('div', { class: 'row-head' },
            el('h3', {}, key.name),
            own && el('span', { class: 'badge is-running' }, 'This page uses it'),
            state && el('span', { class: 'badge' }, state)),
        facts([
            ['Begins with', el('code', {}, key.prefix)],
            ['May', key.scopes.join(', ')],
            ['Created', moment(key.createdAt)],
            ['Last used', key.lastUsedAt ? moment(key.lastUsedAt) : 'never'],
            ['Expires', key.expiresAt && moment(key.expiresAt)],
            ['Revoked', key.revokedAt && moment(key.revokedAt)],
        ]),
        actions);
}

function askToRotate(key, own, session, changed) {
    const grace = field({
        label: 'The old key', tag: 'select', options: GRACE,
        hint: own ? 'This page goes on with the new key.' : 'Programs that use it need the new one by then.',
    });
    const opened = openDialog(`Rotate ${key.name}?`, (close) => {
        const cancel = button('Keep the old key', close);
        async function work() {
            const input = { id: key.id, graceSeconds: Number(grace.input.value) };
            const rotate = async () => {
                const { rotateApiKey } = await session.client.mutate(ROTATE, { input });
                if (own && rotateApiKey.secret) session.client.useKey(rotateApiKey.secret);
                return rotateApiKey;
            };
            const { secret, userErrors } = await (own ? session.client.replacingKey(rotate) : rotate());
            if (!secret) return userErrors;
            opened.retitle('Your new key');
            fill(body, secretShown(secret, close));
            opened.dialog.querySelector('input').focus();
            if (own) await session.refreshViewer();
            await changed();
            return [];
        }
        const body = el('div', {},
            el('p', {}, 'A new key with the same name and rights takes its place. Its text is shown once.'),
            form({ fields: { graceSeconds: grace }, submit: 'Rotate', work, more: [cancel] }));
        return [body];
    });
}

/** The only time that a secret is on the page. */
function secretShown(secret, close) {
    const label = 'Store it now: it is not shown again.';
    const shown = field({ label, value: secret, readonly: true, class: 'secret' });
    shown.input.addEventListener('focus', () => shown.input.select());
    return [
        shown.node,
        el('div', { class: 'actions' },
            copyButton(secret, shown.input), button('I have stored it', close, { class: 'primary' })),
    ];
}

function askToRevoke(key, own, session, changed) {
    openDialog(`Revoke ${key.name}?`, (close) => {
        const problem = problemBox();
        const revoke = button('Revoke', () => problem.guard(async () => {
            const { revokeApiKey } = await session.client.mutate(REVOKE, { input: { id: key.id } });
            if (!revokeApiKey.revokedId) {
                problem.show(revokeApiKey.userErrors.map(explain));
                return;
            }
            close();
            if (own) {
                session.signOut('You are signed out: you revoked the key of this page.');
                return;
            }
            announce(`${key.name} is revoked.`);
            await changed();
        }), { class: 'danger' });
        return [
            el('p', {}, own
                ? 'This page uses this key: you will be signed out. Nobody can bring it back.'
                : 'Programs that use it are refused from now on. Nobody can bring it back.'),
            problem.node,
            el('div', { class: 'actions' }, revoke, button('Keep the key', close)),
        ];
    });
}
