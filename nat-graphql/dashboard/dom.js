/**
 * Building the page without a framework. Everything that is shown goes through `el`, as text: no markup is ever made
 * from data, and no address of data ever becomes a link.
 */

/**
 * An element. Children are nodes, or text; what is null or false is left out.
 *
 * @param {string} tag
 * @param {Record<string, string|number|boolean|null|undefined|((event: Event) => void)>} [attributes] a function
 *     listens to the event whose name follows `on`
 * @param {...(Node|string|number|false|null|undefined|Array)} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === false || value === null || value === undefined) continue;
        if (typeof value === 'function') element.addEventListener(name.slice(2), value);
        else if (name === 'href' && !value.startsWith('#')) throw new Error('Links lead to views of this page only.');
        else element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...present(children));
    return element;
}

const present = (children) =>
    children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** Puts these in the place of what `element` holds. */
export function fill(element, ...children) {
    element.replaceChildren(...present(children));
}

/** The same; a reader whose focus was on something that is gone now goes on at `next`. */
export function moveOn(element, next, ...children) {
    const held = element.contains(document.activeElement);
    fill(element, ...children);
    if (held) next.focus();
}

let lastId = 0;
/** An id that nothing else on the page has. */
export function freshId(prefix) {
    lastId += 1;
    return `${prefix}-${lastId}`;
}

let clearing = 0;
/** Says something to everybody: shown for a while, and read out. */
export function announce(message) {
    // What lies behind an open dialog is neither seen nor read.
    const region = document.querySelector('dialog[open] .dialog-status') ?? document.getElementById('status');
    // Emptied first, so that the same sentence twice is read twice.
    region.textContent = '';
    setTimeout(() => { region.textContent = message; }, 50);
    clearTimeout(clearing);
    clearing = setTimeout(() => { region.textContent = ''; }, 8_000);
}

/** Why something failed, as a sentence; null when there is nobody to tell, since the view is gone. */
export function sentence(error) {
    if (error.name === 'AbortError') return null;
    // A defect of this page must not hide behind a friendly sentence.
    if (!error.code) console.error(error);
    return `${error.message || 'Something went wrong.'}${whenAgain(error)}`;
}

/** When to try again, unless the message says so itself. */
const whenAgain = ({ message, retryAfter }) =>
    (retryAfter && !message.includes(String(retryAfter)) ? ` Try again in ${retryAfter} s.` : '');

/** A place for what went wrong, read out when it is filled. */
export function problemBox() {
    const box = el('div', { class: 'problem', role: 'alert' });
    return {
        node: box,
        show: (...children) => fill(box, ...children),
        clear: () => fill(box),
        /** Shows why `work` failed. */
        async guard(work) {
            fill(box);
            try {
                return await work();
            } catch (error) {
                fill(box, sentence(error));
                return undefined;
            }
        },
    };
}

/** An error of a mutation as something to read, with the way out where there is one. */
export function explain({ code, message, retryAfter, quotaResetDate }) {
    const said = [message, whenAgain({ message, retryAfter })];
    if (quotaResetDate) said.push(` The quota begins anew on ${day(quotaResetDate)}.`);
    if (code === 'QUOTA_EXCEEDED' || code === 'FEATURE_NOT_AVAILABLE') {
        said.push(' ', el('a', { class: 'button', href: '#/billing' }, 'Upgrade'));
    }
    return el('p', {}, said);
}

/** Runs `work` unless it is running already. Not `disabled`, which would take the focus away. */
async function once(button, work) {
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    try {
        await work();
    } finally {
        button.removeAttribute('aria-disabled');
    }
}

/** A button; `work` may take its time. */
export function button(label, work, attributes = {}) {
    const node = el('button', { type: 'button', ...attributes }, label);
    node.addEventListener('click', () => once(node, () => work(node)));
    return node;
}

/**
 * A labelled field that can say what is wrong with it.
 *
 * @param {{label: string, tag?: string, hint?: string, options?: Array<[string, string]>}} spec what else it holds are
 *     attributes
 */
export function field({ label, tag = 'input', hint, options = [], ...attributes }) {
    const id = freshId('field');
    const about = [hint && `${id}-hint`, `${id}-problem`].filter(Boolean).join(' ');
    const choices = options.map(([value, text]) => el('option', { value }, text));
    const input = el(tag, { id, 'aria-describedby': about, ...attributes }, choices);
    const problem = el('p', { class: 'field-problem', id: `${id}-problem` });
    const node = el('div', { class: 'field' },
        el('label', { for: id }, label),
        input,
        hint && el('p', { class: 'hint', id: `${id}-hint` }, hint),
        problem);
    return {
        node,
        input,
        fail(message) {
            problem.textContent = message;
            input.setAttribute('aria-invalid', 'true');
        },
        clear() {
            problem.textContent = '';
            input.removeAttribute('aria-invalid');
        },
    };
}

/**
 * A form whose mistakes are shown where they were made.
 *
 * @param {object} spec
 * @param {Record<string, ReturnType<typeof field>>} spec.fields by the name that `userErrors[].path` ends with
 * @param {Array<Node>} [spec.body] what the form holds, if not just its fields
 * @param {string} spec.submit the button's label
 * @param {() => Promise<Array<object>|void>} spec.work answers with `userErrors`
 * @param {Array<Node>} [spec.more] beside the button
 */
export function form({ fields, body, submit, work, more = [], ...attributes }) {
    const problem = problemBox();
    const send = el('button', { type: 'submit', class: 'primary' }, submit);
    const node = el('form', { novalidate: true, ...attributes },
        body ?? Object.values(fields).map((entry) => entry.node),
        problem.node,
        el('div', { class: 'actions' }, send, more));

    function show(userErrors) {
        const general = [];
        for (const error of userErrors) {
            const name = error.path?.at(-1);
            // The server names the field; beside it, that is said already.
            if (Object.hasOwn(fields, name)) fields[name].fail(error.message.replace(/^Field '[^']*'/, 'This field'));
            else general.push(explain(error));
        }
        problem.show(general);
        Object.values(fields).find(({ input }) => input.hasAttribute('aria-invalid'))?.input.focus();
    }

    node.addEventListener('submit', (event) => {
        event.preventDefault();
        for (const entry of Object.values(fields)) entry.clear();
        once(send, () => problem.guard(async () => show((await work()) ?? [])));
    });
    return node;
}

/**
 * A dialog that asks or tells; it is taken off the page when it closes, with all that it held.
 *
 * @param {string} title
 * @param {(close: () => void) => Array<Node>} content
 */
export function openDialog(title, content) {
    const id = freshId('dialog');
    const heading = el('h2', { id }, title);
    const dialog = el('dialog', { 'aria-labelledby': id }, heading);
    dialog.append(...content(() => dialog.close()), el('p', { class: 'dialog-status', role: 'status' }));
    dialog.addEventListener('close', () => {
        dialog.remove();
        // The button that opened it may be gone meanwhile.
        if (document.activeElement === document.body) document.querySelector('h1')?.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
    return { dialog, retitle: (text) => { heading.textContent = text; } };
}

/** A button that copies `text`; where the browser has no clipboard for us, it marks `source`, which shows the text. */
export function copyButton(text, source, label = 'Copy') {
    return button(label, async () => {
        try {
            await navigator.clipboard.writeText(text);
            announce('Copied.');
        } catch {
            const selection = getSelection();
            selection.removeAllRanges();
            if (source.select) source.select();
            else selection.selectAllChildren(source);
            announce('Marked: copy it with the keyboard.');
        }
    });
}

const DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });
const MOMENT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });

/** `1 Dec 2026 (UTC)` */
export const day = (instant) => `${DAY.format(new Date(instant))} (UTC)`;

/** `25 Nov 2026, 22:38 UTC` as a `time` element. */
export const moment = (instant) => el('time', { datetime: instant }, `${MOMENT.format(new Date(instant))} UTC`);

/** `2,000` */
export const number = (count) => count.toLocaleString('en-GB');

/** `NOT_TESTED` is `Not tested` for people. */
export function words(name) {
    const text = name.toLowerCase().replaceAll('_', ' ');
    return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Terms and their values; what has none is left out. */
export function facts(entries) {
    const given = entries.filter(([, value]) => value || value === 0);
    const pairs = given.map(([term, value]) => el('div', {}, el('dt', {}, term), el('dd', {}, value)));
    return el('dl', { class: 'facts' }, pairs);
}
