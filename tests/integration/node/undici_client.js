// The undici client: undici_client.js CASE ORIGIN. Prints what it saw as one line of JSON.
'use strict';
const crypto = require('node:crypto');
const { Readable } = require('node:stream');
const undici = require('undici');

const [, , name, origin] = process.argv;

const cases = {
  // Ten requests on the wire before the first answer.
  async pipeline() {
    const client = new undici.Client(origin, { pipelining: 10 });
    const asked = [];
    for (let i = 0; i < 200; ++i) {
      asked.push(client.request({ path: `/echo?${i}`, method: 'GET' }).then((response) => response.body.json()));
    }
    const answers = await Promise.all(asked);
    await client.close();
    return { urls: answers.map((answer) => answer.url) };
  },
  async parallel() {
    const pool = new undici.Pool(origin, { connections: 20 });
    const body = crypto.randomBytes(200_000);
    const sha256 = crypto.createHash('sha256').update(body).digest('hex');
    const asked = [];
    for (let i = 0; i < 100; ++i) {
      const streamed = i % 2 === 0 ? body : Readable.from([body.subarray(0, 70_000), body.subarray(70_000)]);
      asked.push(pool.request({ path: '/echo', method: 'POST', body: streamed }).then((one) => one.body.json()));
    }
    const answers = await Promise.all(asked);
    await pool.close();
    return { sha256, sums: answers.map((answer) => answer.sha256) };
  },
  async fetch() {
    const response = await undici.fetch(origin + '/moved');
    const seen = await response.json();
    return { status: response.status, redirected: response.redirected, url: seen.url };
  },
  async cut() {
    const client = new undici.Client(origin);
    const seen = {};
    for (const path of ['/cut', '/cut-chunks']) {
      const response = await client.request({ path, method: 'GET' });
      seen[path] = await response.body.text().then(() => 'complete', (error) => error.code);
    }
    const after = await client.request({ path: '/echo', method: 'GET' });
    seen.after = after.statusCode;
    await after.body.dump();
    await client.close();
    return seen;
  },
};

cases[name]().then((seen) => process.stdout.write(JSON.stringify(seen) + '\n'));
