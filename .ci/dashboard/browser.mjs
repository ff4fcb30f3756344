// What the test of the dashboard stands on: counting, a watched browser, a cut-off switch, a slow target.
import { readFileSync, mkdirSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import puppeteer from 'puppeteer-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SHOTS = process.env.SHOTS ?? 'shots';
const THEMES = ['light', 'dark'];
const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } };

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

let passed = 0;
let failed = 0;
/** One check: `body` throws when it does not hold. The next ones run all the same. */
export async function check(name, body) {
    try {
        await body();
        passed += 1;
        console.log(`ok      ${name}`);
    } catch (error) {
        failed += 1;
        console.log(`FAILED  ${name}: ${String(error.stack ?? error).split('\n').slice(0, 6).join('\n        ')}`);
    }
}

/** The closing line; answers whether all is well. */
export function sum() {
    console.log(`${passed} passed, ${failed} failed`);
    return failed === 0;
}

/** Waits until `probe` answers with something true. */
export async function until(what, probe, ms = 15_000) {
    const deadline = Date.now() + ms;
    for (;;) {
        const seen = await probe();
        if (seen) return seen;
        if (Date.now() > deadline) throw new Error(`waited ${ms} ms for: ${what}`);
        await pause(50);
    }
}

/** A browser that notes what a page must not do. */
export async function launch(origin) {
    const browser = await puppeteer.launch({
        executablePath: process.env.CHROMIUM,
        headless: true,
        args: ['--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--force-prefers-reduced-motion'],
    });
    await browser.defaultBrowserContext().overridePermissions(origin, ['clipboard-read', 'clipboard-sanitized-write']);
    const page = await browser.newPage();
    await page.setViewport(SIZES.desktop);
    const notes = { errors: [], violations: [], strangers: [], tolerated: [] };

    page.on('console', (message) => {
        if (!['error', 'warn', 'assert'].includes(message.type())) return;
        const text = `${message.text()} (${message.location().url ?? ''})`;
        if (!notes.tolerated.some((pattern) => pattern.test(text))) notes.errors.push(text);
    });
    page.on('pageerror', (error) => notes.errors.push(String(error.stack ?? error)));
    const asked = (url) => {
        const { protocol, host } = new URL(url);
        if (protocol !== 'data:' && host !== new URL(origin).host) notes.strangers.push(url);
    };
    page.on('request', (request) => asked(request.url()));
    const devtools = await page.createCDPSession();
    await devtools.send('Network.enable');
    devtools.on('Network.webSocketCreated', ({ url }) => asked(url));
    await page.exposeFunction('noteViolation', (text) => notes.violations.push(text));
    await page.evaluateOnNewDocument(() => {
        addEventListener('securitypolicyviolation', (event) => {
            const { violatedDirective, blockedURI, sourceFile, lineNumber } = event;
            globalThis.noteViolation(`${violatedDirective}: ${blockedURI} ${sourceFile}:${lineNumber}`);
        });
    });
    return { browser, page, notes };
}

/** A view in both themes and sizes: a picture, no page wider than the window, targets large enough, axe. */
export async function look(page, view) {
    mkdirSync(SHOTS, { recursive: true });
    for (const [size, viewport] of Object.entries(SIZES)) {
        await page.setViewport(viewport);
        for (const theme of THEMES) {
            await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
            await pause(50);
            // Alone, a picture of the whole page would move the focus ring and the status line about.
            const modal = await page.$('dialog[open]');
            await page.screenshot({ path: path.join(SHOTS, `${view}-${size}-${theme}.png`), fullPage: !modal });
            await check(`axe: ${view}, ${size}, ${theme}`, () => axe(page));
        }
        await check(`${view}, ${size}: no wider than the window, one h1, buttons of 32 px`, async () => {
            const seen = await page.evaluate(() => ({
                width: document.documentElement.scrollWidth,
                headings: document.querySelectorAll('h1').length,
                small: [...document.querySelectorAll('button, .button')]
                    .filter((node) => node.checkVisibility() && node.getBoundingClientRect().height < 32)
                    .map((node) => node.textContent),
            }));
            if (seen.width > viewport.width) throw new Error(`${seen.width} px wide`);
            if (seen.headings !== 1) throw new Error(`${seen.headings} h1`);
            if (seen.small.length > 0) throw new Error(`small: ${seen.small.join(', ')}`);
        });
    }
    await page.setViewport(SIZES.desktop);
}

/** Prints every violation; a serious or critical one fails. */
async function axe(page) {
    // By the devtools, which the policy of the page does not bind.
    await page.evaluate(AXE);
    const violations = await page.evaluate(async () => {
        const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
        const { violations } = await globalThis.axe.run(document, { runOnly: tags, resultTypes: ['violations'] });
        return violations.map(({ id, impact, help, nodes }) => ({
            id,
            impact,
            help,
            nodes: nodes.slice(0, 5).map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`),
        }));
    });
    for (const { id, impact, help, nodes } of violations) {
        console.log(`        axe ${impact} ${id}: ${help}\n          ${nodes.join('\n          ')}`);
    }
    const bad = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    if (bad.length > 0) throw new Error(bad.map(({ id }) => id).join(', '));
}

/** Stands between browser and server, so that the line can be cut. */
export async function line(server) {
    const { hostname, port } = new URL(server);
    const open = new Set();
    let cut = false;
    const listener = net.createServer((near) => {
        if (cut) {
            near.destroy();
            return;
        }
        const far = net.connect(Number(port), hostname);
        for (const socket of [near, far]) {
            open.add(socket);
            socket.on('close', () => {
                open.delete(socket);
                near.destroy();
                far.destroy();
            });
            socket.on('error', () => {});
        }
        near.pipe(far).pipe(near);
    });
    await new Promise((done) => listener.listen(0, '127.0.0.1', done));
    return {
        origin: `http://127.0.0.1:${listener.address().port}`,
        cut() {
            cut = true;
            for (const socket of open) socket.destroy();
        },
        mend() { cut = false; },
        close() {
            this.cut();
            listener.close();
        },
    };
}

/** An API that takes its time, so that a scan of it can be watched and stopped; some of its operations are broken. */
export async function slowTarget() {
    const operations = Array.from({ length: 16 }, (_, index) => [`/things${index}/{id}`, index]);
    const paths = Object.fromEntries(operations.map(([route, index]) => [route, {
        get: {
            operationId: `thing${index}`,
            parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer', minimum: 1 } }],
            responses: {
                200: { description: 'A thing', content: { 'application/json': { schema: {
                    type: 'object', required: ['name'], properties: { name: { type: 'string' } },
                } } } },
                404: { description: 'None' },
            },
        },
    }]));
    const document = JSON.stringify({ openapi: '3.0.3', info: { title: 'Slow', version: '1' }, paths });
    const server = http.createServer(async (request, response) => {
        if (request.url === '/openapi.json') {
            response.setHeader('Content-Type', 'application/json');
            response.end(document);
            return;
        }
        await pause(400);
        const broken = Number(/^\/things(\d+)/.exec(request.url)?.[1] ?? 1) % 2 === 0;
        response.statusCode = broken ? 500 : 200;
        response.setHeader('Content-Type', 'application/json');
        response.end(broken ? '{"trouble": true}' : '{"name": "a thing"}');
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        close() {
            server.closeAllConnections();
            server.close();
        },
    };
}
