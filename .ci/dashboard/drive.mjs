// The dashboard as a person uses it: node drive.mjs SERVER SAMPLE_API, with the key in KEY and the browser in CHROMIUM.
import assert from 'node:assert/strict';
import { check, launch, line, look, pause, slowTarget, sum, until } from './browser.mjs';

const [server, sample] = process.argv.slice(2);
let key = process.env.KEY;
// What a tenant may call a thing. Shown as anything but text, it would leave its mark.
const HOSTILE = '<img src=x onerror="window.pwned=1">';

const wire = await line(server);
const slow = await slowTarget();
const { browser, page, notes } = await launch(wire.origin);
process.on('exit', () => browser.process()?.kill('SIGKILL'));

// --- Hands and eyes.
const text = (selector) => page.$eval(selector, (node) => node.innerText).catch(() => '');
const count = (selector) => page.$$eval(selector, (nodes) => nodes.length);
const heading = () => text('main h1');
const find = (query) => page.waitForSelector(query);
const quoted = (name) => (name.includes('"') ? `'${name}'` : `"${name}"`);
// By name, but not by the browser's accessibility tree: what is asked from it is late after nodes have moved.
const press = async (name, tag = 'button') =>
    (await find(`::-p-xpath(//${tag}[normalize-space()=${quoted(name)} or @aria-label=${quoted(name)}])`)).click();
const labelled = (label) => find(`::-p-xpath(//label[normalize-space()="${label}"]/following-sibling::*[1])`);
const isInvalid = async (label) =>
    (await labelled(label)).evaluate((node) => node.getAttribute('aria-invalid') === 'true' && node.matches(':focus'));
const sees = (selector, pattern, ms) =>
    until(`${pattern} in ${selector}`, async () => pattern.test(await text(selector)), ms);
async function write(label, value) {
    const field = await labelled(label);
    await field.evaluate((node) => { node.value = ''; });
    await field.type(value);
}
async function choose(label, value) {
    const field = await labelled(label);
    await field.select(value);
}
async function signIn(secret) {
    await write('API key', secret);
    await page.keyboard.press('Enter');
}
async function visit(link, title) {
    await press(link, 'a');
    await until(title, async () => (await heading()) === title);
}
/** What the service says over HTTP to this key. */
async function graphql(secret, query) {
    const headers = { 'Content-Type': 'application/json', 'X-API-Key': secret };
    const answer = await fetch(`${server}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
    return { status: answer.status, body: await answer.json().catch(() => null) };
}
/** A plan allows so many requests a minute; the test waits instead of meeting that limit. */
async function breathe(points) {
    await until(`${points} points`, async () => {
        const { body } = await graphql(key, '{ rateLimit { remaining } }');
        const remaining = body?.data?.rateLimit?.remaining ?? points;
        if (remaining < points) await pause(2_000);
        return remaining >= points;
    }, 90_000);
}
/** Nothing that outlives the page, and nothing on it, holds the key. */
async function keepsNoKey() {
    const kept = await page.evaluate(() => [
        JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.cookie, location.href,
        JSON.stringify(history.state), document.documentElement.outerHTML,
        [...document.querySelectorAll('input')].map((input) => input.value).join(' '),
    ]);
    assert.deepEqual(kept.slice(0, 3), ['{}', '{}', '']);
    assert.ok(!kept.join('\n').includes(key), 'the key lies somewhere');
}
const firstRow = () => page.$eval('.rows > li h3 a', (link) => link.hash).catch(() => '');
/** Starts a scan with the form; it comes first in the list. */
async function startScan(kind, url) {
    await sees('main', /\d+ of \d+ shown/);
    const before = await firstRow();
    await write('URL of the API', url);
    await write('URL of its OpenAPI document (optional)', `${url}/openapi.json`);
    await (await find(`input[type=radio][value=${kind}]`)).click();
    await press('Start scan');
    await until('the new row', async () => (await firstRow()) !== before);
}
/** Looks at the first row until its status is one of `ends`; answers with all that was seen. */
async function watchFirstRow(ends) {
    const seen = [];
    await until(`the scan to be ${ends}`, async () => {
        const now = await page.$eval('.rows > li', (row) => ({
            status: row.querySelector('.badge').innerText,
            progress: row.querySelector('.progress')?.innerText ?? '',
        }));
        if (JSON.stringify(now) !== JSON.stringify(seen.at(-1))) seen.push(now);
        return ends.includes(now.status);
    }, 120_000);
    return seen;
}

// --- Signing in.
await breathe(100);
await check('the page comes with a strict policy', async () => {
    const answer = await page.goto(wire.origin, { waitUntil: 'networkidle0' });
    assert.match(answer.headers()['content-security-policy'] ?? '', /default-src 'none'.*script-src 'self'/);
});
await check('the sign-in form asks for the key', async () => {
    assert.equal(await heading(), 'Sign in');
    assert.equal(await (await labelled('API key')).evaluate((node) => node.type), 'password');
});
await look(page, 'sign-in');
await check('a wrong key is refused at the field', async () => {
    notes.tolerated.push(/status of 401/);
    await signIn('nat_pk_this_is_not_a_key_0000000000000000');
    await sees('.field-problem', /does not know this key/);
    const about = await (await labelled('API key')).evaluate((node) => node.getAttribute('aria-describedby').split(' ')
        .map((id) => document.getElementById(id).innerText).join(' '));
    assert.match(about, /does not know this key/);
    assert.equal(await heading(), 'Sign in');
    await pause(200);
    notes.tolerated.length = 0;
});
await look(page, 'sign-in-refused');
await check('the right key opens the scans, with the focus on the heading', async () => {
    await signIn(key);
    await until('the scans', async () => (await heading()) === 'Scans');
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
});
await check('the key is in memory only', keepsNoKey);
await check('the first link skips to the content', async () => {
    assert.equal(await page.$eval('a, button, input', (node) => node.id), 'skip');
    await page.focus('#skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    assert.equal(await heading(), 'Scans');
});

// --- Usage and scans.
await check('usage: two bars with their numbers, a mark at 80 %, the day of the reset', async () => {
    await until('the bars', async () => (await count('.usage [role=meter]')) === 2);
    const bars = await page.$$eval('.usage [role=meter]', (nodes) => nodes.map((node) => ({
        value: node.getAttribute('aria-valuetext'),
        height: node.getBoundingClientRect().height,
        mark: node.querySelector('.bar-mark').offsetLeft / node.clientWidth,
    })));
    for (const { value, height, mark } of bars) {
        assert.match(value, /^\d+ of \d+, \d+ %$/);
        assert.ok(height > 5 && Math.abs(mark - 0.8) < 0.02, `${height} ${mark}`);
    }
    assert.match(await text('.usage'), /Plan Pro.*\d{4} \(UTC\)/);
});
await check('the scans are listed', () => sees('main', /\d+ of \d+ shown/));
const before = await text('.usage');
await check('a scan without URL is refused at the field', async () => {
    await press('Start scan');
    await until('the field', () => isInvalid('URL of the API'));
});
await check('a functional scan of the sample API goes through, live', async () => {
    await startScan('FUNCTIONAL', sample);
    const seen = await watchFirstRow(['Completed', 'Failed']);
    assert.equal(seen.at(-1).status, 'Completed', JSON.stringify(seen));
    assert.ok(seen.length > 1, JSON.stringify(seen));
});
await check('the usage has counted it', () => until('the bar', async () => (await text('.usage')) !== before));
await look(page, 'scans');

// --- One scan.
await check('the scan opens, with the focus on its heading', async () => {
    await (await find('.rows > li h3 a')).click();
    await until('the scan', async () => (await heading()) === 'Scan');
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
    await sees('main', /\d+ of \d+ shown, the worst first/);
    assert.ok((await count('.finding')) > 3);
});
await look(page, 'scan');
const shownOf = async () => Number(/of (\d+) shown/.exec(await text('main'))?.[1]);
await check('filter by severity, and back', async () => {
    const all = await shownOf();
    const severity = await page.$eval('.finding:last-child .pill', (node) => node.innerText);
    await choose('Severity', severity.toUpperCase());
    await until('fewer findings', async () => (await shownOf()) < all);
    const pills = await page.$$eval('.finding .pill', (nodes) => nodes.map((node) => node.innerText));
    assert.ok(pills.length > 0 && pills.every((pill) => pill === severity), pills.join());
    await choose('Severity', '');
    await until('all findings', async () => (await shownOf()) === all);
});
await check('a finding opens by keyboard and shows its proof', async () => {
    await page.focus('.finding summary');
    await page.keyboard.press('Enter');
    await find('.finding .exchange pre');
    const parts = await page.$$eval('.finding pre', (nodes) => nodes.map((node) =>
        [node.getAttribute('aria-label'), node.tabIndex, node.innerText]));
    assert.ok(parts.some(([label, , body]) => /curl/.test(label) && body.startsWith('curl ')), JSON.stringify(parts));
    assert.ok(parts.some(([label, , body]) => /: request$/.test(label) && /HTTP\/|^[A-Z]+ \//.test(body)));
    assert.ok(parts.some(([label, , body]) => /: response$/.test(label) && body.length > 0));
    assert.ok(parts.every(([, tabIndex]) => tabIndex === 0));
    assert.match(await text('.finding-body'), /What it is[\s\S]*What to do[\s\S]*Evidence/);
});
await check('the curl line is copied', async () => {
    await press('Copy curl');
    const curl = await text('.finding pre[aria-label*=curl]');
    const copied = () => page.evaluate(() => navigator.clipboard.readText());
    await until('the clipboard', async () => (await copied()).trim() === curl.trim());
});
await look(page, 'finding');
await check('a decision without a reason is refused at the field', async () => {
    await press('Save the decision');
    await until('the field', () => isInvalid('Reason'));
});
await check('a finding is decided, filtered and reopened', async () => {
    await page.select('.triage select', 'ACCEPTED_RISK');
    await write('Reason', `Known. ${HOSTILE}`);
    await page.$eval('.triage input[type=date]', (node) => { node.value = '2099-12-31'; });
    await press('Save the decision');
    await sees('.finding-body', /Accepted risk[\s\S]*<img src=x[\s\S]*until 31 Dec 2099/i);
    await page.select('.filters .field:nth-child(3) select', 'yes');
    await until('one finding', async () => (await shownOf()) === 1 && (await count('.finding')) === 1);
    // The finding is open, as it was left.
    await press('Reopen');
    await find('.triage');
    await page.select('.filters .field:nth-child(3) select', '');
    await until('all findings', async () => (await shownOf()) > 1);
});

// --- Live, over a cut line.
await breathe(60);
await check('findings and progress of a running scan come live, over a cut of the line', async () => {
    await visit('Scans', 'Scans');
    await startScan('FUNCTIONAL', slow.url);
    await page.click('.rows > li h3 a');
    await until('a running scan', async () => (await count('main progress')) === 1);
    notes.tolerated.push(/WebSocket connection to|ERR_|Failed to load resource/);
    wire.cut();
    await sees('#offline', /connecting again/);
    wire.mend();
    await until('the line', async () => (await text('#offline')) === '', 20_000);
    await pause(200);
    notes.tolerated.length = 0;
    const first = await text('.progress');
    await until('news', async () => (await text('.progress')) !== first, 30_000);
    await until('a finding', async () => (await count('.finding')) > 0, 30_000);
    assert.equal(await count('main progress'), 1, 'the scan had ended before that');
});
await look(page, 'scan-running');
await check('a running scan is cancelled; what the reader had opened stays open and gets its proof', async () => {
    await page.click('.finding summary');
    await sees('.finding-body', /once the scan has ended/);
    await press(`Cancel the scan of ${await text('main dd')}`);
    await sees('main', /Cancelled/, 30_000);
    await until('the list', async () => /shown, the worst first/.test(await text('main')));
    assert.equal(await count('main progress'), 0);
    assert.equal(await count('.finding details[open]'), 1);
    // A cancelled scan writes its results a moment later; the page asks again.
    await sees('.finding details[open]', /What it is/);
    await sees('.pills', /high/);
});

// --- Keys.
await breathe(60);
await check('a key is made, and its secret shown once', async () => {
    await visit('API keys', 'API keys');
    await write('Name', HOSTILE);
    await press('Create key');
    const secret = await (await find('dialog[open] input.secret')).evaluate((node) => node.value);
    assert.match(secret, /^nat_pk_/);
    assert.equal((await graphql(secret, '{ viewer { scopes } }')).status, 200);
    await press('I have stored it');
    await until('no dialog', async () => (await count('dialog')) === 0);
    assert.ok(!(await page.content()).includes(secret));
    await sees('.rows', /<img src=x/);
});
await check('it is revoked', async () => {
    await press(`Revoke ${HOSTILE}`);
    await find('dialog[open]');
    await (await find('dialog[open] button.danger')).click();
    await sees('main', /Revoked and expired keys \(\d+\)/);
});
await look(page, 'keys');
await check('the key in use is rotated, and the page goes on with the new one', async () => {
    const rotate = '//li[contains(., "This page uses it")]//button[starts-with(., "Rotate")]';
    await (await find(`::-p-xpath(${rotate})`)).click();
    await find('dialog[open] select');
    await look(page, 'rotate');
    await (await find('dialog[open] button.primary')).click();
    const secret = await (await find('dialog[open] input.secret')).evaluate((node) => node.value);
    await look(page, 'secret');
    assert.notEqual(secret, key);
    const old = key;
    key = secret;
    assert.equal((await graphql(old, '{ viewer { scopes } }')).status, 401);
    await press('I have stored it');
    await until('no dialog', async () => (await count('dialog')) === 0);
    await pause(1_500);
    assert.equal(await heading(), 'API keys');
    await sees('.rows', /This page uses it/);
    await keepsNoKey();
});
await breathe(60);
await check('live updates go on with the new key', async () => {
    await visit('Scans', 'Scans');
    assert.equal(await text('#offline'), '');
    await startScan('SECURITY', slow.url);
    const seen = await watchFirstRow(['Running']);
    await until('news', async () => (await text('.rows > li .progress')) !== seen.at(-1).progress, 30_000);
    await press(`Cancel the scan of ${await text('.rows > li h3')}`);
    await watchFirstRow(['Cancelled', 'Completed']);
});

// --- Billing.
await check('the plans are shown; what billing lacks here is said in a sentence', async () => {
    await visit('Plan and billing', 'Plan and billing');
    await until('the plans', async () => (await count('.plan')) >= 3);
    assert.match(await text('.plans'), /Pro\s+Your plan/);
    notes.tolerated.push(/status of 503/);
    await (await find('.plan button.primary')).click();
    await sees('.plan .problem:not(:empty)', /\w+ \w+ .*\./);
    await press('Manage billing');
    await sees('.columns .problem:not(:empty)', /\w+ \w+ .*\./);
    await pause(200);
    notes.tolerated.length = 0;
});
await look(page, 'billing');

// --- Leaving.
await check('a reload forgets the key', async () => {
    await page.reload({ waitUntil: 'networkidle0' });
    assert.equal(await heading(), 'Sign in');
    await keepsNoKey();
});
await check('signing in again leads to the view of the address', async () => {
    await signIn(key);
    await until('billing', async () => (await heading()) === 'Plan and billing');
});
await check('signing out shows nothing any more', async () => {
    await press('Sign out');
    await until('the form', async () => (await heading()) === 'Sign in');
    assert.doesNotMatch(await text('main'), /Plan|demo/);
    await keepsNoKey();
});

await check('no error on the console', () => assert.deepEqual(notes.errors, []));
await check('no violation of the policy', () => assert.deepEqual(notes.violations, []));
await check('no request left the origin', () => assert.deepEqual(notes.strangers, []));
await check('data was never markup', async () => assert.equal(await page.evaluate(() => window.pwned), undefined));

await browser.close();
wire.close();
slow.close();
process.exit(sum() ? 0 : 1);
